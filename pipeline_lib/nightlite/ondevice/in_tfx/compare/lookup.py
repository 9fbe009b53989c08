"""Lookup of a file to compare: a release by its number, `latest`, or the file of a run by the run's id."""

import contextlib
from collections.abc import Iterator

from nightlite import native_log
from nightlite.errors import NoReleaseError
from nightlite.ondevice.in_tfx.compare.candidate import Candidate
from nightlite.ondevice.model import OnDeviceModel
from nightlite.ondevice.releases.checked import checked
from nightlite.ondevice.releases.manifest import MODEL_FILE
from nightlite.ondevice.releases.reader import LATEST, ReleaseReader
from nightlite.ondevice.releases.release import Release
from nightlite.ondevice.settings import Settings


@contextlib.contextmanager
def candidate(name: str, model: OnDeviceModel, config: Settings) -> Iterator[Candidate]:
    """Yield the file that a user names, for the length of the block.

    Args:
      name: a release's number, `latest`, or a run's id.

    Raises:
      UsageError: there is no such release or run.
      ReleaseError: the release is damaged.
      DataError: the run made no file, or it was removed.
    """
    if name != LATEST and not name.isdecimal():
        # TFX takes ten seconds to import. Releases need none of it.
        with native_log.muted():
            from nightlite.ondevice.in_tfx.compare.run_file import file_of_run

        yield file_of_run(name, model, config)
        return
    with checked(_release(name, ReleaseReader(config.folders(model.name).releases)), config) as (copy, _):
        said = copy.manifest
        yield Candidate(
            title=f"release {said.version}",
            created=said.created,
            run_id=said.run_id,
            file=copy.folder / MODEL_FILE,
            contract=said.app_contract,
            gates=said.gates,
            parameters=said.parameters,
            measurements=said.measurements or {},
            span=said.span,
        )


def _release(name: str, releases: ReleaseReader) -> Release:
    if name != LATEST:
        return releases.release(int(name))
    if latest := releases.latest():
        return latest
    raise NoReleaseError(
        f"expected a release in {releases.folder}. Received: none yet; a blessed model's Pusher makes the first"
    )
