"""Earlier runs, from the reports beside this one."""

from pathlib import Path

from nightlite.ondevice.report.run_report import PastRun, Report

LONGEST = 100


def past_runs(folder: Path, longest: int = LONGEST) -> tuple[PastRun, ...]:
    """Return the runs before the one with this artifact's folder, oldest first.

    TFX names the folders by execution, in order. Folders without a readable report are left out: the run failed,
    has another version, or was pruned.
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
