"""The measurements themselves, each made once for any number of rows."""

import functools
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from bench import dag_parse, program, synthetic
from bench.deployment import COLD, NOOP, Deployment, TimedRun, deployment, ensure_warm
from models.mnist.on_device import MODEL
from nightlite.deployment.models import first_model
from nightlite.deployment.settings import Settings
from nightlite.paths import PROJECT
from nightlite.runner.compiled_pipeline import CompiledPipeline

RUNS = 3
# Fewer than the nightly 20 epochs, so that overhead dominates. The bounds let every model pass.
PARAMETERS = {"epochs": 3, "min_accuracy": 0.0, "min_class_accuracy": 0.0, "max_loss": 100.0}


@dataclass(frozen=True)
class Pair:
    """One run under Airflow and one of LocalDagRunner after it, on the same examples.

    `local_seconds` excludes the imports of LocalDagRunner's process, which `import_seconds` holds.
    """

    ours: TimedRun
    local_seconds: float
    import_seconds: float
    local_peak_mebibytes: float


class Lab:
    """A deployment of the bench's own under `settings.var_dir`. `say` gets a phrase at the start of every step."""

    def __init__(self, settings: Settings, resources: ExitStack, say: Callable[[str], None]) -> None:
        self._settings, self._resources, self._say = settings, resources, say
        self._pairs: dict[int, list[Pair]] = {}
        self._large_runs: dict[int, TimedRun] = {}
        self._kept_runs: dict[str, dict[str, Any]] = {}
        self._runtimes: dict[str, dict[str, Any]] = {}
        self._examples = 1_000  # in the latest span, which a run reads

    @functools.cached_property
    def compiled(self) -> CompiledPipeline:
        self._say("compiling the pipeline, writing 1,000 examples")
        program.run(self._settings, "bench.tfx.prepare")
        return CompiledPipeline.read(self._settings.compiled_file(first_model()))

    @functools.cached_property
    def airflow(self) -> Deployment:
        _ = self.compiled
        self._say("starting Airflow and the warm server")
        # Both take half a minute, half of it waiting.
        with ThreadPoolExecutor(max_workers=1) as beside:
            warm = beside.submit(ensure_warm, self._settings)
            started = self._resources.enter_context(deployment(self._settings))
            warm.result()
        return started

    @functools.cached_property
    def parses(self) -> tuple[list[float], list[float]]:
        """Return the seconds of parsing a model's DAG file, and of the same graph of EmptyOperators, in turn."""
        empty = dag_parse.write_empty_dag(self.compiled, self._settings.var_dir / "empty")
        ours = self._settings.var_dir / "dags"
        ours.mkdir(exist_ok=True)
        shutil.copy(PROJECT / "dags" / f"{first_model().name}.py", ours)
        folders = (ours, empty)
        # The first one compiles bytecode and fills the page cache, for both.
        dag_parse.parse(self._settings, folders[0])
        times = []
        for number in range(RUNS):
            self._say(f"parsing DAGs, {number + 1} of {RUNS}")
            times.append([dag_parse.parse(self._settings, folder) for folder in folders])
        return [ours for ours, _ in times], [theirs for _, theirs in times]

    def synthetic_parses(self, nodes: int, files: int = 1) -> tuple[list[float], list[float]]:
        """Return the seconds of parsing and serializing synthetic pipelines, and EmptyOperators in their place."""
        folders = synthetic.write_dags(self._settings.var_dir / f"synthetic-{nodes}-{files}", nodes, files)
        self._say(f"parsing {files} DAG file{'s' if files > 1 else ''} of {nodes} nodes")
        times = [[dag_parse.parse(self._settings, folder, "--again") for folder in folders] for _ in range(RUNS)]
        return [ours for ours, _ in times], [theirs for _, theirs in times]

    @functools.cached_property
    def noop_runs(self) -> list[TimedRun]:
        runs = []
        for number in range(RUNS):
            _ = self.airflow
            self._say(f"a chain of no-op tasks, {number + 1} of {RUNS}")
            runs.append(self.airflow.timed_run(NOOP))
        return runs

    @functools.cached_property
    def cold_run(self) -> TimedRun:
        self._add_span(1_000)
        _ = self.airflow
        self._say("nodes in fresh processes")
        return self.airflow.fresh_run(COLD, PARAMETERS)

    def pairs(self, examples: int) -> list[Pair]:
        """Return pairs of whole runs, ours and LocalDagRunner's in turn. Long runs have one pair."""
        if examples not in self._pairs:
            self._add_span(examples)
            count = RUNS if examples <= 1_000 else 1
            self._pairs[examples] = [self._pair(examples, f"{number + 1} of {count}") for number in range(count)]
        return self._pairs[examples]

    def _pair(self, examples: int, number: str) -> Pair:
        # A run first absorbs Airflow's deferred work and the server's first imports.
        self.airflow.timed_run(NOOP)
        self._say(f"the whole DAG, {examples:,} examples, {number}: under Airflow")
        ours = self.airflow.fresh_run(first_model().pipeline_name, PARAMETERS)
        self._say(
            f"the whole DAG, {examples:,} examples, {number}: LocalDagRunner ({ours.seconds:.1f} s under Airflow)"
        )
        with self.airflow.paused():
            local = program.ask(self._settings, "bench.tfx.local_run", *_params())
        seconds, imports = local.values["seconds"], local.values["import_seconds"]
        return Pair(ours, seconds, imports, local.peak_mebibytes)

    def large_run(self, examples: int) -> TimedRun:
        """Return one run of ours, without LocalDagRunner's."""
        if examples not in self._large_runs:
            self._add_span(examples)
            self.airflow.timed_run(NOOP)
            self._say(f"the whole DAG, {examples:,} examples: under Airflow")
            self._large_runs[examples] = self.airflow.fresh_run(first_model().pipeline_name, PARAMETERS)
        return self._large_runs[examples]

    def _add_span(self, examples: int) -> None:
        _ = self.compiled
        if examples == self._examples:
            return
        self._examples = examples
        self._say(f"writing {examples:,} examples")
        program.run(self._settings, "bench.tfx.digits", str(examples), str(self._settings.folders(MODEL.name).data))

    @functools.cached_property
    def cached_runs(self) -> dict[str, dict[str, list[float]]]:
        """Return seconds of fully cached runs by the number of earlier runs: `ours` and TFX's own, `yardstick`."""
        self._add_span(1_000)
        self._say("cached runs with up to 400 earlier ones: a few minutes")
        values: dict[str, dict[str, list[float]]] = program.ask(self._settings, "bench.tfx.cached_runs").values
        return values

    @functools.cached_property
    def model_files(self) -> dict[str, Any]:
        """Return the findings of `bench.tfx.model_files` on a Keras SavedModel and its TFLite file."""
        run = self._kept_run("none")
        self._say("size, load time and latency of the two models")
        return program.ask(self._settings, "bench.tfx.model_files", run["keras_model"], run["tflite_file"]).values

    def runtimes(self, quantization: str) -> dict[str, Any]:
        """Return the findings of `bench.tfx.runtimes` on a release of that form."""
        if quantization not in self._runtimes:
            run = self._kept_run(quantization)
            self._say(f"golden examples in three runtimes, quantization {quantization}")
            self._runtimes[quantization] = program.ask(self._settings, "bench.tfx.runtimes", run["release"]).values
        return self._runtimes[quantization]

    @functools.cached_property
    def feed(self) -> dict[str, dict[str, list[float]]]:
        """Return the findings of `bench.tfx.feed` on a release: `release`, `renewal` and `check`."""
        run = self._kept_run("none")
        self._say("the feed: publications, and what a phone sends and receives")
        values: dict[str, dict[str, list[float]]] = program.ask(self._settings, "bench.tfx.feed", run["release"]).values
        return values

    @functools.cached_property
    def try_page(self) -> dict[str, Any]:
        """Return the findings of `bench.tfx.try_page` on a release."""
        run = self._kept_run("none")
        self._say("a page that runs a release, in Chromium")
        return program.ask(self._settings, "bench.tfx.try_page", run["release"]).values

    def _kept_run(self, quantization: str) -> dict[str, Any]:
        """Return the result of `bench.tfx.local_run`, whose artifacts and release stay."""
        if quantization not in self._kept_runs:
            self._add_span(1_000)
            self._say(f"training and releasing a model, quantization {quantization}")
            params = [*_params(), f"--param=quantization={quantization}"]
            self._kept_runs[quantization] = program.ask(self._settings, "bench.tfx.local_run", "--keep", *params).values
        return self._kept_runs[quantization]


def _params() -> list[str]:
    return [f"--param={name}={value}" for name, value in PARAMETERS.items()]
