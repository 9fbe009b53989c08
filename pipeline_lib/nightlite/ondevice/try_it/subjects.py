"""Subjects of the page: a release, and the candidate of a run, which has no version yet."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from pydantic import ValidationError

from nightlite.errors import ReleaseError
from nightlite.ondevice.contract.golden import Golden
from nightlite.ondevice.releases import history
from nightlite.ondevice.releases.release import Release
from nightlite.ondevice.results.quality import Quality
from nightlite.ondevice.rollout.event import Event
from nightlite.ondevice.try_it.declared import Declared
from nightlite.ondevice.try_it.page import Subject


def of_release(release: Release, declared: Declared, events: Iterable[Event] = ()) -> Subject:
    """Return a release's file with its golden examples, both checked against its manifest.

    Args:
      events: of the folder of releases. They say whether the release was withdrawn.

    Raises:
      ReleaseError: a file differs from the manifest.
    """
    said = release.manifest
    span = "" if said.span is None else f", span {said.span}"
    withdrawn = history.withdrawn(events).get(said.sha256)
    return Subject(
        name=f"release {release.version}{f', withdrawn: {withdrawn.why}' if withdrawn else ''}",
        declared=declared,
        contract=said.app_contract,
        content=release.model(),
        sha256=said.sha256,
        golden=release.golden(),
        facts=(*_quality(said.quality), ("made", f"{said.created:%Y-%m-%d %H:%M} UTC{span}")),
    )


def of_candidate(run_id: str, model: Path, golden: Path | None, quality: Quality, declared: Declared) -> Subject:
    """Return the file that a run made, with the golden examples that EdgeValidator wrote of it.

    Args:
      model: the TFLite file.
      golden: its `golden.json`, if there is one.

    Raises:
      ReleaseError: a file cannot be read, or the examples are another file's.
    """
    try:
        content = model.read_bytes()
        examples = Golden.read(golden.parent) if golden else None
    except (OSError, ValidationError) as error:
        raise ReleaseError(f"the candidate of run {run_id} cannot be read: {error}") from None
    sha256 = hashlib.sha256(content).hexdigest()
    if examples and examples.sha256 != sha256:
        raise ReleaseError(
            f"{golden}: expected the examples of {model}, sha256 {sha256}. Received: those of {examples.sha256}"
        )
    return Subject(
        name="candidate",
        declared=declared,
        contract=declared.contract,
        content=content,
        sha256=sha256,
        golden=examples,
        facts=(*_quality(quality), ("made", f"by run {run_id}")),
    )


def _quality(quality: Quality) -> tuple[tuple[str, str], ...]:
    figure = quality.figure
    return ((figure.name, f"{figure.text} on the eval split"),) if figure else ()
