"""Measure this project against its components. Writes a table, and `var/bench.json`."""

import argparse
import fnmatch
import os
import signal
import socket
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TimeElapsedColumn

from bench import row as bench_row
from bench.lab import Lab
from bench.machine import machine
from bench.rows import LONG, QUICK, ROWS
from nightlite.deployment.settings import Settings
from nightlite.errors import NightliteError
from nightlite.paths import PROJECT

OUTPUT = PROJECT / "var" / "bench.json"
IDLE_SECONDS = 4 * 3600
_EXAMPLES = """examples:
  python -m bench
  python -m bench --quick
  python -m bench --only dag_run tflite_latency
  python -m bench --only 'examples_per_second_*' 'peak_memory_*'
"""


def bench(names: Sequence[str], output: Path) -> None:
    """Measure these rows, print their table, and write each to `output` when it is ready.

    Raises:
      NightliteError: a row could not be measured, after those before it were written; or `output` is no file of rows.
    """
    os.environ["NIGHTLITE_TEST_IDLE_SECONDS"] = str(IDLE_SECONDS)
    os.environ["NIGHTLITE_MNIST_SCHEDULE"] = ""
    before = bench_row.read(output)
    bench_row.write(before, output)  # fail before an hour of measuring, not after it
    console = Console()
    rows: list[bench_row.Row] = []
    failure: str | None = None
    with _progress(console) as progress, ExitStack() as resources:
        lab = Lab(_own_settings(resources), resources, _Teller(progress))
        for name in progress.track(names):
            try:
                rows.append(ROWS[name](name, lab).model_copy(update={"machine": machine()}))
            except NightliteError as error:
                failure = f"{name} could not be measured, nor what comes after it: {error}"
                break
            bench_row.write(bench_row.merged(before, rows), output)
    if rows:
        console.print(bench_row.table(rows, title=machine()), f"Written to {output}")
    if failure:
        raise NightliteError(failure)


def chosen(only: Sequence[str]) -> list[str]:
    """Return the requested rows in the table's order, or all but the long ones if none was requested.

    Args:
      only: names of rows, or patterns of them such as `peak_memory_*`.

    Raises:
      NightliteError: a name or pattern that is no row's.
    """
    if unknown := [name for name in only if not fnmatch.filter(ROWS, name)]:
        raise NightliteError(f"--only: expected some of {', '.join(ROWS)}. Received: {', '.join(unknown)}")
    if not only:
        return [name for name in ROWS if name not in LONG]
    return [name for name in ROWS if any(fnmatch.fnmatch(name, pattern) for pattern in only)]


def _progress(console: Console) -> Progress:
    columns = (SpinnerColumn(), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, transient=True)


class _Teller:
    """Printer of steps, with the time since the start: a line that stays, above the bar."""

    def __init__(self, progress: Progress) -> None:
        self._progress, self._started = progress, time.monotonic()

    def __call__(self, step: str) -> None:
        self._progress.console.print(
            f"[{time.monotonic() - self._started:4.0f} s] {step}", markup=False, soft_wrap=True
        )


def _own_settings(resources: ExitStack) -> Settings:
    """Return settings of a deployment in a temporary folder, apart from the user's own."""
    folder = resources.enter_context(tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True))
    return Settings(
        var_dir=Path(folder),
        compiled_dir=None,
        metadata_url="",
        runtime="warm",
        node_timeout_minutes=IDLE_SECONDS / 60,
        port=_free_port(),
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description=__doc__, epilog=_EXAMPLES, formatter_class=argparse.RawTextHelpFormatter
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--only",
        nargs="+",
        default=[],
        metavar="NAME",
        help=f"these rows, or patterns of them:{_lines(ROWS)}\n"
        f"Without --only, all but these, which take an hour or more:{_lines(LONG)}",
    )
    which.add_argument("--quick", action="store_true", help=f"the rows of a few minutes:{_lines(QUICK)}")
    parser.add_argument(
        "--output", type=Path, default=OUTPUT, metavar="FILE", help="default: var/bench.json; rows not measured stay"
    )
    return parser


def _lines(names: Iterable[str]) -> str:
    return textwrap.fill(", ".join(names), 60, initial_indent="\n", break_on_hyphens=False)


def main() -> int:
    options = _parser().parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # SIGTERM alone would leave the bench's Airflow running
    try:
        bench(chosen(QUICK if options.quick else options.only), options.output)
    except NightliteError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("bench: interrupted; the rows measured so far are written", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
