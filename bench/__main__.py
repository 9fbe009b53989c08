"""Measure this project against what it is built on; a table, and `var/bench.json`."""

import socket
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from bench import row as bench_row
from bench.lab import Lab
from bench.machine import machine
from bench.rows import QUICK, ROWS
from pipeline_lib.errors import MnistLiteError
from pipeline_lib.places import PROJECT
from pipeline_lib.settings import Settings

OUTPUT = PROJECT / "var" / "bench.json"
IDLE_SECONDS = 4 * 3600
_EPILOG = """Examples: python -m bench; python -m bench --quick;
python -m bench --only dag_run --only tflite_latency"""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(epilog=_EPILOG)
def bench(
    only: Annotated[list[str] | None, typer.Option(metavar="NAME", help="this row; repeatable")] = None,
    quick: Annotated[bool, typer.Option("--quick", help=f"only {', '.join(QUICK)}")] = False,
    output: Annotated[Path, typer.Option(metavar="FILE", help="rows not measured now stay in it")] = OUTPUT,
) -> None:
    """Measure, print a table, write the rows as JSON; every row has its yardstick, measured in the same minutes."""
    names = chosen(only or (), quick)
    before = bench_row.read(output)
    console = Console()
    line = machine()
    rows, failures = [], []
    with ExitStack() as resources:
        progress = resources.enter_context(_progress(console))
        lab = Lab(_own_settings(resources), resources, _Teller(progress))
        for name in progress.track(names, description="bench"):
            try:
                rows.append(ROWS[name](name, lab).model_copy(update={"machine": line}))
            except MnistLiteError as error:
                failures.append(f"{name}: {error}")
                continue
            bench_row.write(bench_row.merged(before, rows), output)
    if rows:
        console.print(bench_row.table(rows, title=line), f"Written to {output}")
    if failures:
        raise MnistLiteError("not measured:\n" + "\n".join(failures))


def chosen(only: Sequence[str], quick: bool) -> list[str]:
    """The rows that were asked for, in the table's order; all where none was.

    Raises:
      MnistLiteError: a name that no row has.
    """
    if unknown := [name for name in only if name not in ROWS]:
        raise MnistLiteError(f"--only: expected one of {', '.join(ROWS)}. Received: {', '.join(unknown)}")
    wanted = {*only, *(QUICK if quick else ())} or set(ROWS)
    return [name for name in ROWS if name in wanted]


def _progress(console: Console) -> Progress:
    columns = (SpinnerColumn(), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, TextColumn("{task.description}"), console=console, transient=True)


class _Teller:
    """Says each step as it begins, with the time since the start: a line that stays, above the bar."""

    def __init__(self, progress: Progress) -> None:
        self._progress, self._started = progress, time.monotonic()

    def __call__(self, step: str) -> None:
        self._progress.console.print(f"[{time.monotonic() - self._started:4.0f} s] {step}", markup=False)


def _own_settings(resources: ExitStack) -> Settings:
    """A deployment in a temporary folder: what the user's own holds stays as it is, and out of what is measured."""
    folder = resources.enter_context(tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True))
    return Settings(
        var_dir=Path(folder),
        compiled_pipeline=None,
        metadata_url="",
        runtime="warm",
        runtime_idle_seconds=IDLE_SECONDS,
        port=_free_port(),
        schedule="",
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main() -> int:
    try:
        app(prog_name="python -m bench")
    except MnistLiteError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
