"""Run the pipeline on so many examples, one node after the other, and print each node's time and peak memory.

    python -m bench.tfx.nodes EXAMPLES [--param NAME=VALUE ...] [--json FILE]

The examples are those of `bench.tfx.digits`. Each node is forked from this process, as the warm server forks it. Its
peak is that of its largest process. It includes the pages that all nodes share, which are TFX's imports: a Resolver's
peak is hardly more than those. All data are in a temporary folder, which is removed at the end.
"""

import argparse
import dataclasses
import json
import os
import resource
import signal
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bench.peak_memory import PeakMemory
from nightlite import native_log
from nightlite.errors import NightliteError
from nightlite.runner.exit_codes import EXIT_OK, EXIT_SKIPPED

_LAST_LINES = 15
_EXAMPLES = """examples:
  python -m bench.tfx.nodes 1000
  python -m bench.tfx.nodes 100000 --param epochs=3 --param min_accuracy=0 --param max_loss=100 --json nodes.json
"""


@dataclasses.dataclass(frozen=True)
class Cost:
    """Time and memory of a node.

    Attributes:
      cpu_seconds: of the node and of its children, without those that it left running.
      peak_mebibytes: of its largest process, shared pages included.
    """

    seconds: float
    cpu_seconds: float
    peak_mebibytes: float

    def row(self, name: str) -> str:
        """Return a row of a Markdown table."""
        return f"| {name} | {self.seconds:,.1f} | {self.cpu_seconds:,.1f} | {self.peak_mebibytes:,.0f} |"


def costs(examples: int, params: Sequence[str], folder: Path) -> Iterator[tuple[str, Cost]]:
    """Ingest so many examples, then run every node. Yield each one's id and cost when it has finished.

    Raises:
      NightliteError: one of them failed. Its last lines are in the message.
    """
    from nightlite.runner.compiled_pipeline import CompiledPipeline

    compiled_file, ingested = prepare(examples, folder)
    yield "ingest", ingested
    for node in CompiledPipeline.read(compiled_file).nodes:
        yield node.id, run_node(node.id, compiled_file, params, folder / f"{node.id}.log")


def prepare(examples: int, folder: Path) -> tuple[Path, Cost]:
    """Ingest so many examples, compile the pipeline and import what its nodes need.

    Returns:
      The compiled file, and what the ingest took.
    """
    os.environ["NIGHTLITE_VAR_DIR"] = str(folder)
    from models.mnist.on_device import MODEL
    from nightlite.deployment.settings import settings

    config = settings()
    compiled_file = config.compiled_file(MODEL)
    # In children, so that their memory and their TensorFlow are no node's.
    ingested = _in_child("ingest", lambda: _ingest(examples, config.folders(MODEL.name).data))
    _in_child("compile", lambda: _compile(compiled_file))
    with native_log.muted():
        from nightlite.runner.in_tfx.warm import forking, preloading
    preloading.preload(compiled_file)
    forking.freeze()
    return compiled_file, ingested


def total(found: Sequence[Cost]) -> Cost:
    """Return the sums of both times, and the largest peak."""
    return Cost(
        sum(cost.seconds for cost in found),
        sum(cost.cpu_seconds for cost in found),
        max(cost.peak_mebibytes for cost in found),
    )


def _ingest(examples: int, data: Path) -> None:
    from bench.tfx.digits import dataset
    from models.mnist.on_device import MODEL
    from nightlite.ondevice.in_tfx.ingest.write_span import write_span

    write_span(MODEL, dataset(examples), data)


def _compile(compiled_file: Path) -> None:
    from models.mnist.on_device import MODEL
    from nightlite.deployment.settings import settings
    from nightlite.ondevice.in_tfx.compile import compile_model

    compile_model(MODEL, settings()).write(compiled_file)


def run_node(node_id: str, compiled_file: Path, params: Sequence[str], log: Path, *more: str) -> Cost:
    """Run a node in a fork of this process, with `more` arguments of run_node.

    Raises:
      NightliteError: it failed. Its last lines are in the message.
    """
    from nightlite.runner.in_tfx.warm import forking

    arguments = ["--pipeline", str(compiled_file), "--node", node_id, "--run-id", "nodes", *more]
    with log.open("wb") as output:
        call = forking.ChildCall(
            [*arguments, *(f"--param={param}" for param in params)],
            dict(os.environ),
            os.getcwd(),
            output.fileno(),
            output.fileno(),
        )
        child = forking.start(call, forking.Lifeline(), own_session=True)
    cost, status, usage = _watched(child.pid)
    code, death = forking.end(child, status, usage, stopped=False)
    if code not in (EXIT_OK, EXIT_SKIPPED):
        with log.open(encoding="utf-8", errors="replace") as lines:
            last = "".join(f"\n  {line.rstrip()}" for line in deque(lines, _LAST_LINES))
        raise NightliteError(f"{node_id} failed with exit code {code}{f', {death}' if death else ''}:{last}")
    return cost


def _in_child(name: str, work: Callable[[], None]) -> Cost:
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            with native_log.muted():
                work()
            code = 0
        except BaseException as error:  # a child that returned from here would run the nodes, too
            print(f"{name}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        finally:
            os._exit(code)
    cost, status, _ = _watched(pid)
    if status:
        raise NightliteError(f"{name} failed with exit code {os.waitstatus_to_exitcode(status)}")
    return cost


def _watched(pid: int) -> tuple[Cost, int, resource.struct_rusage]:
    """Wait for a child. Return its cost, wait status and resource usage."""
    started = time.monotonic()
    with PeakMemory([pid]) as peak:
        try:
            _, status, usage = os.wait4(pid, 0)
        except BaseException:  # interrupted
            os.kill(pid, signal.SIGKILL)
            raise
    # The kernel's own maximum has those of its children that it waited for, but no others.
    kernels = usage.ru_maxrss / (1024 if sys.platform == "linux" else 2**20)
    cpu_seconds = usage.ru_utime + usage.ru_stime
    return Cost(time.monotonic() - started, cpu_seconds, max(peak.mebibytes, kernels)), status, usage


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench.tfx.nodes",
        description=(__doc__ or "").partition("\n")[0],
        epilog=_EXAMPLES,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("examples", type=int, metavar="EXAMPLES", help="a fifth of them for evaluation")
    parser.add_argument("--param", action="append", default=[], metavar="NAME=VALUE", help="one run parameter")
    parser.add_argument("--json", type=Path, metavar="FILE", help="receives the costs by node")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # SIGTERM alone would leave the folder
    found: dict[str, Cost] = {}
    print("| node | s | CPU s | peak MiB |\n| --- | ---: | ---: | ---: |", flush=True)
    try:
        with tempfile.TemporaryDirectory(prefix="nodes-", ignore_cleanup_errors=True) as folder:
            for name, cost in costs(options.examples, options.param, Path(folder)):
                found[name] = cost
                print(cost.row(name), flush=True)
    except NightliteError as error:
        print(f"nodes: {error}", file=sys.stderr)
        return 1
    print(total(list(found.values())).row("all"))
    if options.json:
        text = json.dumps({name: dataclasses.asdict(cost) for name, cost in found.items()}, indent=1)
        options.json.write_text(f"{text}\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
