"""Earlier runs, from the reports that lie beside this one."""

from pathlib import Path

from nightlite.ondevice.report import PastRun, Report

LONGEST = 100


def past_runs(folder: Path, longest: int = LONGEST) -> tuple[PastRun, ...]:
    """The runs before the one whose artifact's folder this is, oldest first.

    TFX names the folders beside it by execution, in order. Those without a readable report (a run that failed, one of
    another version, one that somebody pruned) are no part of the history.
    """
    earlier = [path for path in folder.parent.iterdir() if path.name.isdigit() and path != folder]
    if folder.name.isdigit():
        earlier = [path for path in earlier if int(path.name) < int(folder.name)]
    runs: list[PastRun] = []
    for path in sorted(earlier, key=lambda path: int(path.name), reverse=True):
        if len(runs) == longest:
            break
        try:
            runs.append(Report.read(path).as_past_run())
        except (OSError, ValueError):
            continue
    return tuple(reversed(runs))
