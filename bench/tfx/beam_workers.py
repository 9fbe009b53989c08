"""Run the pipeline's Beam nodes on so many examples, in one process and with forked workers, in turn.

    python -m bench.tfx.beam_workers EXAMPLES [--pairs N] [--nodes PATTERN]

It prints each node's seconds, CPU seconds and largest process, both ways, the medians of N pairs, and the ratio of the
seconds. The examples are those of `bench.tfx.digits`. Their model is trained for one epoch.
"""

import argparse
import fnmatch
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.tfx.nodes import Cost, prepare, run_node
from nightlite.errors import NightliteError

_PARAMS = ("epochs=1", "min_accuracy=0", "min_class_accuracy=0", "max_loss=100")
_ABOVE = "NIGHTLITE_BEAM_WORKERS_ABOVE_MIB"
_TURN = "BENCH_TURN"  # part of a node's cache key, so that no turn is answered from the cache
_WAYS = {"one process": "inf", "forked workers": "0"}


def pairs(examples: int, count: int, pattern: str, folder: Path) -> Iterator[tuple[str, float, dict[str, Cost]]]:
    """Yield each Beam node's id, its input in MiB, and its costs by way.

    Raises:
      NightliteError: a node failed. Its last lines are in the message.
    """
    compiled_file, _ = prepare(examples, folder)
    from nightlite.runner.compiled_pipeline import CompiledPipeline
    from nightlite.runner.in_tfx.beam import arguments

    os.environ.update({_ABOVE: "inf", _TURN: ""})
    ids = [node.id for node in CompiledPipeline.read(compiled_file).nodes]
    log = folder / "node.log"
    for index, node_id in enumerate(ids):
        if fnmatch.fnmatchcase(node_id, pattern) and arguments.is_beam_node(compiled_file, node_id):
            found: dict[str, list[Cost]] = {way: [] for way in _WAYS}
            for turn in range(count):
                for way, above in _WAYS.items():
                    run = f"{node_id}-{turn}-{above}"
                    for before in ids[:index]:
                        run_node(before, compiled_file, _PARAMS, log, "--run-id", run)
                    os.environ.update({_ABOVE: above, _TURN: run})
                    cost = run_node(node_id, compiled_file, _PARAMS, log, "--run-id", run, "--own-env", _TURN)
                    os.environ.update({_ABOVE: "inf", _TURN: ""})
                    found[way].append(cost)
            size = _mebibytes(log)
            yield node_id, size, {way: _median(costs) for way, costs in found.items()}
        run_node(node_id, compiled_file, _PARAMS, log)


def _mebibytes(log: Path) -> float:
    """Return the size of the input files, which the node has written into its log at its turn with workers."""
    [line] = [line for line in log.read_text(encoding="utf-8").splitlines() if "forked workers" in line]
    return float(line.partition(" has ")[2].partition(" MiB")[0].replace(",", ""))


def _median(costs: list[Cost]) -> Cost:
    return Cost(
        statistics.median(cost.seconds for cost in costs),
        statistics.median(cost.cpu_seconds for cost in costs),
        max(cost.peak_mebibytes for cost in costs),
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench.tfx.beam_workers", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("examples", type=int, metavar="EXAMPLES", help="a fifth of them for evaluation")
    parser.add_argument("--pairs", type=int, default=1, metavar="N", help="how often both ways are measured (1)")
    parser.add_argument("--nodes", default="*", metavar="PATTERN", help="of node ids; default: every Beam node")
    options = parser.parse_args()
    print("| node | input MiB | s | with workers | CPU s | with workers | peak MiB | with workers | times as fast |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |", flush=True)
    try:
        with tempfile.TemporaryDirectory(prefix="beam-workers-", ignore_cleanup_errors=True) as folder:
            for node_id, mebibytes, costs in pairs(options.examples, options.pairs, options.nodes, Path(folder)):
                one, workers = costs.values()
                print(
                    f"| {node_id} | {mebibytes:,.0f} | {one.seconds:,.1f} | {workers.seconds:,.1f} "
                    f"| {one.cpu_seconds:,.1f} | {workers.cpu_seconds:,.1f} "
                    f"| {one.peak_mebibytes:,.0f} | {workers.peak_mebibytes:,.0f} "
                    f"| {one.seconds / workers.seconds:.2f} |",
                    flush=True,
                )
    except NightliteError as error:
        print(f"beam_workers: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
