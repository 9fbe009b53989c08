"""Releases as tables for a terminal."""

from collections.abc import Iterable

from rich.box import SIMPLE
from rich.markup import escape
from rich.table import Column, Table

from nightlite.errors import ReleaseError
from nightlite.ondevice.contract.app_contract import Meaning
from nightlite.ondevice.contract.file_contract import TensorContract
from nightlite.ondevice.releases.history import withdrawn as events_that_bar
from nightlite.ondevice.releases.manifest import Manifest
from nightlite.ondevice.releases.offers import offered_versions
from nightlite.ondevice.releases.release import Release
from nightlite.ondevice.releases.store import Releases
from nightlite.ondevice.results.quality import name_of
from nightlite.ondevice.rollout.event import Event
from nightlite.ondevice.rollout.words import action, phones

_TIME = "%Y-%m-%d %H:%M"


def releases(found: Releases) -> Table:
    """Return one row per release, newest first.

    `phones` says which get it now. `least app` is the first version of the app that understands it. `barred` names a
    halt or a rollback, after which no run pushes that file again.
    """
    latest, withdrawn, state = found.latest_version(), events_that_bar(found.history()), found.state()
    offered = offered_versions(found, state)
    rows, qualities = [], []
    for version in reversed(found.versions()):
        mark = "→" if version == latest else ""
        try:
            release = found.release(version)
            barred = withdrawn.get(release.manifest.sha256)
            said = escape(f"{barred.who}: {barred.why}") if barred else ""
            rows.append([mark, str(version), phones(state, version, offered=version in offered), *_row(release), said])
            qualities.append(release.manifest.quality)
        except ReleaseError as error:
            rows.append([mark, str(version), "", f"[red]{escape(str(error))}[/]"])
    created = Column("created (UTC)", no_wrap=True)
    table = Table(
        "",
        "version",
        "phones",
        created,
        name_of(qualities),
        "bytes",
        "span",
        "least app",
        "manifest.sig",
        "barred",
        box=SIMPLE,
    )
    for row in rows:
        table.add_row(*row)
    return table


def _row(release: Release) -> list[str]:
    manifest = release.manifest
    return [
        f"{manifest.created:{_TIME}}",
        manifest.quality.text,
        f"{manifest.size_bytes:,}",
        "" if manifest.span is None else str(manifest.span),
        str(manifest.least_app_version),
        "yes" if release.is_signed else "no",
    ]


def history(events: Iterable[Event]) -> Table:
    """Return one row per event, newest first."""
    table = Table("when (UTC)", "what", "version", "latest before", "who", "why", box=SIMPLE)
    for event in reversed(list(events)):
        previous = "" if event.previous is None else str(event.previous)
        who, why = escape(event.who), escape(event.why)
        table.add_row(f"{event.when:{_TIME}}", action(event), str(event.version), previous, who, why)
    return table


def manifest(release: Release, getting: str = "") -> list[Table]:
    """Return one release's tables: two, or three if it has gates. `getting`: the phones that get it now."""
    said = release.manifest
    about = Table("", Column(overflow="fold"), title=f"release {said.version}", title_justify="left", show_header=False)
    for name, value in {
        "folder": release.folder,
        "phones": getting or "none",
        "created": f"{said.created:{_TIME}} UTC",
        "sha256": said.sha256,
        "size": f"{said.size_bytes:,} bytes",
        "input": _signature(said.inputs),
        **{f"  {item.name}": _meaning(item.meaning) for item in said.inputs if item.meaning},
        "output": _signature(said.outputs),
        **({"labels": " ".join(said.labels)} if said.labels else {"unit": said.unit or "none"}),
        "least app version": said.least_app_version,
        "trained on": _data(said),
        "made by": ", ".join(f"{name} {version}" for name, version in sorted(said.versions.items())),
        "least runtime": f"TensorFlow Lite {said.least_runtime_version}" if said.least_runtime_version else "unknown",
        "code": said.code_revision,
        "run": said.run_id,
        "approval": said.approval or "not asked for",
        "anchor": _anchor(said),
        "in MLMD": f"model artifact {said.model_artifact_id}, Pusher's execution {said.execution_id}",
        "manifest.sig": "yes" if release.is_signed else "no",
    }.items():
        about.add_row(name, escape(str(value)))
    metrics = Table("metric", "value")
    for name, metric in said.metrics.items():
        metrics.add_row(escape(name), f"{metric:.6g}")
    return [about, metrics, *([_gates(release)] if said.gates else [])]


def _data(said: Manifest) -> str:
    span = "an unknown span" if said.span is None else f"span {said.span}"
    return f"{span}, from {said.source}" if said.source else span


def _anchor(said: Manifest) -> str:
    if said.anchor is None:
        return "itself: there was none before it"
    return f"release {said.anchor}, {'detectably better than it' if said.beat_anchor else 'not detectably better'}"


def _gates(release: Release) -> Table:
    gates = Table("gate", "judged by", "found", "bound", "")
    for gate in release.manifest.gates:
        value = "not measured" if gate.value is None else f"{gate.value:.6g} {gate.unit}"
        mark = "passed" if gate.passed else "REFUSED"
        gates.add_row(escape(gate.subject), gate.node_id, value, f"{gate.relation} {gate.bound:g} {gate.unit}", mark)
    return gates


def _meaning(said: Meaning) -> str:
    formula = f"raw * {said.scale:.6g} {'-' if said.offset < 0 else '+'} {abs(said.offset):g}"
    words = ", ".join(f"{code} {word}" for code, word in enumerate(said.vocabulary))
    return "; ".join(filter(None, (said.description, said.unit, words or formula, said.order)))


def _signature(tensors: Iterable[TensorContract]) -> str:
    return "; ".join(
        f"{tensor.name}: {tensor.dtype} [{', '.join('any' if size < 0 else str(size) for size in tensor.shape)}]"
        for tensor in tensors
    )
