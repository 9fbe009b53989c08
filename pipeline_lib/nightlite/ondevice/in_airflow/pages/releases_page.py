"""Page of a model's releases, behind the tab *Releases* of its DAG.

It reads manifests and sizes, and takes no sums of files: `nightlite models verify` does.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

from jinja2 import Template

from nightlite.errors import ReleaseError
from nightlite.ondevice.folders import ModelFolders
from nightlite.ondevice.in_airflow.pages.who_gets_what import who_gets_what
from nightlite.ondevice.model import model_name
from nightlite.ondevice.releases import history
from nightlite.ondevice.releases.manifest import CARD_FILE, MANIFEST_FILE, MODEL_FILE, Manifest
from nightlite.ondevice.releases.reader import ReleaseReader
from nightlite.ondevice.releases.release import Release
from nightlite.ondevice.report.page_templates import environment
from nightlite.ondevice.report_files import REPORT_PAGE, TRY_PAGE
from nightlite.ondevice.results.quality import name_of
from nightlite.ondevice.rollout.event import Event
from nightlite.ondevice.rollout.state import rollout_of
from nightlite.ondevice.rollout.words import action

_MODEL = re.compile("[a-z][a-z0-9_]*")
_MOST_EVENTS = 50


class Row(NamedTuple):
    """One version. `manifest` is None, and `problem` says why, if it cannot be read as a release."""

    version: int
    folder: Path
    is_latest: bool
    manifest: Manifest | None
    problem: str
    barred: Event | None = None
    signed: bool = False

    @property
    def latency(self) -> float | None:
        """Return the median latency in ms, on the machine that ran the pipeline."""
        measured = (self.manifest.measurements if self.manifest else None) or {}
        latency = measured.get("latency_ms")
        return latency.get("p50") if isinstance(latency, Mapping) else None

    @property
    def files(self) -> Iterator[tuple[str, str]]:
        """Yield the existing files of those that the page links to, with their names for a reader."""
        for name, title in ((MODEL_FILE, "file"), (MANIFEST_FILE, "manifest"), (CARD_FILE, "model card")):
            if (self.folder / name).is_file():
                yield name, title


def model_of(dag_id: str) -> str | None:
    """Return the name of the model whose nightly DAG has that id, or None if it is another DAG."""
    name = model_name(dag_id)
    return name if name != dag_id and _MODEL.fullmatch(name) else None


def releases_page(dag_id: str, releases: ReleaseReader) -> str:
    """Return the page as HTML. Damage of one release, of the history or of `latest` is shown, and hides no other."""
    problems = []
    try:
        events = releases.history()
    except ReleaseError as error:
        events = []
        problems.append(str(error))
    try:
        latest = releases.latest_version()
    except ReleaseError as error:
        latest = None
        problems.append(str(error))
    barred = history.withdrawn(events)
    versions = releases.versions()
    rows = [_row(releases.folder / str(version), latest, barred) for version in reversed(versions)]
    who = who_gets_what(model_name(dag_id), rollout_of(events), versions, latest, partial(_release, rows))
    return _template().render(
        dag_id=dag_id,
        model=model_name(dag_id),
        rows=rows,
        quality=name_of(row.manifest.quality for row in rows if row.manifest),
        who=who,
        # Without a feed there are no channels.
        has_feed=ModelFolders(releases.folder.parent).feed.is_dir(),
        action=action,
        problems=[*problems, *who.problems],
        # Newest first.
        events=events[: -_MOST_EVENTS - 1 : -1],
        number_of_events=len(events),
        report_page=REPORT_PAGE,
        try_page=TRY_PAGE,
    )


def _row(folder: Path, latest: int | None, barred: Mapping[str, Event]) -> Row:
    version = int(folder.name)
    try:
        release = Release.read(folder)
        problem = _problem(release)
    except ReleaseError as error:
        return Row(version, folder, version == latest, None, str(error))
    said = release.manifest
    return Row(version, folder, version == latest, said, problem, barred.get(said.sha256), release.is_signed)


def _release(rows: Iterable[Row], version: int) -> Release:
    """Return a release whose manifest was read.

    Raises:
      ReleaseError: there is none.
    """
    for row in rows:
        if row.version == version and row.manifest:
            return Release(row.folder, row.manifest)
    raise ReleaseError(f"expected release {version}, which phones should get. Received: no readable manifest of it")


def _problem(release: Release) -> str:
    """Return the damage that is seen without reading the files, or ""."""
    missing = [name for name in (MODEL_FILE, *release.manifest.files) if not (release.folder / name).is_file()]
    if missing:
        return f"{release.folder}: expected {', '.join(missing)}. Received: no such file. Do not use this release"
    found, expected = (release.folder / MODEL_FILE).stat().st_size, release.manifest.size_bytes
    if found == expected:
        return ""
    return f"{release.folder / MODEL_FILE}: expected {expected:,} bytes. Received: {found:,}. Do not use this release"


@cache
def _template() -> Template:
    return environment(Path(__file__).parent).get_template("releases_page.html.j2")
