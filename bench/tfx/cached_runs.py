"""Measure the seconds of fully cached runs, by the number of earlier runs in the metadata store.

    python -m bench.tfx.cached_runs --result FILE

This one process does a real run, then cached ones through our launcher until the history is long enough. Each ends
with the removal of old artifacts, as every run of ours does. At each length it does three runs of ours and three of
TFX's LocalDagRunner with TFX's own queries, in turn. They join the history: 200 means 200 to 205. The result:
{"200": {"ours": [s, s, s], "yardstick": [s, s, s]}, ...}.
"""

import argparse
import json
import shutil
import tempfile
import time
from pathlib import Path

from models.mnist.on_device import MODEL
from nightlite.deployment.settings import Settings, settings
from nightlite.ondevice.in_tfx import retention
from nightlite.ondevice.in_tfx.compile import compile_model
from nightlite.paths import var_dir
from nightlite.runner.compiled_pipeline import CompiledPipeline
from nightlite.runner.in_tfx import node, node_log
from nightlite.runner.in_tfx.mlmd import lineage
from nightlite.runner.in_tfx.mlmd.outcome import read_outcome
from nightlite.runner.in_tfx.request import NodeRequest
from nightlite.runner.in_tfx.run_local import run_local

HISTORIES = (1, 50, 200, 400)
RUNS = 3
PARAMETERS = {
    **{"epochs": 1, "min_accuracy": 0.0, "min_class_accuracy": 0.0, "max_loss": 100.0},
    "max_latency_ratio": 1e6,  # a refused model would end its Pusher skipped, which is not cached
}
# TFX's own queries, which our launcher replaces.
_TFX_QUERIES = [(module, name, getattr(module, name)) for module, name, _ in lineage.REPLACEMENTS]


class History:
    """A pipeline with a metadata store, and its past runs."""

    def __init__(self, config: Settings) -> None:
        self._config, self._runs = config, 0
        self._compiled: CompiledPipeline = compile_model(MODEL, config)
        self._compiled.write(config.compiled_file(MODEL))
        # A Pusher is never cached. If the model is unchanged, it ends skipped.
        self._uncached = {
            item["pipelineNode"]["nodeInfo"]["id"]
            for item in self._compiled.ir["nodes"]
            if not item["pipelineNode"]["executionOptions"].get("cachingOptions", {}).get("enableCache")
        }

    def __len__(self) -> int:
        return self._runs

    def ours(self, expected: str | None = "cached") -> float:
        """Return the seconds of one run through our launcher, node after node.

        Nodes with executors end as `expected`.
        """
        run_id = self._next()
        started = time.perf_counter()
        for item in self._compiled.nodes:
            request = NodeRequest(self._config.compiled_file(MODEL), item.id, run_id, self._config.mlmd_url, PARAMETERS)
            launcher, store = node.prepare(request)
            executions = launcher.launch_all()
            outcome = read_outcome(run_id, item.id, store, executions, launcher.hooks, launcher.was_done)
            uncached = item.system or (item.id in self._uncached and outcome.state == "skipped")
            if expected and not uncached and outcome.state != expected:
                raise SystemExit(f"expected {item.id} {expected}. Received: {outcome.state}, {outcome.reason}")
        if keep := self._config.keep_artifact_runs:
            root, push_dir = self._config.folders(MODEL.name).artifacts, self._config.folders(MODEL.name).releases
            retention.prune(store, self._compiled.name, root, push_dir, keep)
        return time.perf_counter() - started

    def tfxs_own(self) -> float:
        """Return the seconds of one run with LocalDagRunner and TFX's own queries."""
        for module, name, theirs in _TFX_QUERIES:
            setattr(module, name, theirs)
        run_id = self._next()
        started = time.perf_counter()
        results = run_local(self._compiled, run_id, self._config.mlmd_url, PARAMETERS)
        seconds = time.perf_counter() - started
        system = {item.id for item in self._compiled.nodes if item.system}
        if any(
            result.state != "cached" for node_id, result in results.items() if node_id not in self._uncached | system
        ):
            raise SystemExit(f"expected every node cached. Received: {results}")
        return seconds

    def warm_up(self) -> None:
        """Do one run of each without a trace, because a process's first cached runs are slower."""
        records = self._config.var_dir / "metadata"
        before = records.with_name("metadata-before")
        shutil.copytree(records, before)
        self.ours()
        self.tfxs_own()
        shutil.rmtree(records)
        before.rename(records)
        self._runs -= 2

    def _next(self) -> str:
        self._runs += 1
        return f"run-{self._runs}"


def measure(history: History) -> dict[str, dict[str, list[float]]]:
    history.ours(expected="succeeded")
    history.ours(expected=None)  # the first run's model is its baseline, so only the next run finds all unchanged
    history.warm_up()
    times: dict[str, dict[str, list[float]]] = {}
    for length in HISTORIES:
        while len(history) < length:
            history.ours()
        pairs = [(history.ours(), history.tfxs_own()) for _ in range(RUNS)]
        times[str(length)] = {"ours": [ours for ours, _ in pairs], "yardstick": [theirs for _, theirs in pairs]}
        print(length, times[str(length)], flush=True)
    return times


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.tfx.cached_runs", description=__doc__.split("\n")[0])
    parser.add_argument("--result", required=True, type=Path, metavar="FILE")
    options = parser.parse_args()
    node_log.quiet()
    with tempfile.TemporaryDirectory(prefix="cached-", dir=var_dir()) as folder:
        update = {"var_dir": Path(folder), "compiled_dir": None, "metadata_url": ""}
        own = settings().model_copy(update=update)
        data = own.folders(MODEL.name).data
        data.parent.mkdir(parents=True)
        data.symlink_to(settings().folders(MODEL.name).data)
        times = measure(History(own))
    options.result.write_text(json.dumps(times), encoding="utf-8")


if __name__ == "__main__":
    main()
