"""Many nights in one go: the real launcher, metadata store, releases and retention, without a scheduler.

python -m tests.faults.tfx.nights [NIGHTS] [PICTURE]    (TFX environment; 365 nights to docs/images/nights.png)
"""

import contextlib
import dataclasses
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import psutil
from ml_metadata.metadata_store import metadata_store

from models.mnist.on_device import MODEL
from nightlite.deployment.settings import Settings, settings
from nightlite.ondevice.folders import ModelFolders
from nightlite.ondevice.hooks import HOOKS
from nightlite.ondevice.in_tfx import retention
from nightlite.ondevice.releases.history import HISTORY_FILE
from nightlite.ondevice.releases.store import Releases
from nightlite.paths import PROJECT
from nightlite.runner.compiled_pipeline import CompiledPipeline
from nightlite.runner.in_tfx import node
from nightlite.runner.in_tfx.compile import compile_pipeline
from nightlite.runner.in_tfx.mlmd.store import open_store
from nightlite.runner.in_tfx.request import NodeRequest
from nightlite.runner.node_result import NodeResult
from nightlite.settings import forget_settings
from tests.faults.tfx.nodes import files_below
from tests.pipelines import tiny_nights

KEEP_RUNS, KEEP_RELEASES = 10, 3
WEEKLY = "weekly"  # a second model, which has one run a week


@dataclasses.dataclass
class Night:
    """The cost of one night, and what there was after it."""

    seconds: float
    calls: int
    store_bytes: int
    artifact_bytes: int
    folders: int
    release_bytes: int
    history_bytes: int
    resident_bytes: int
    latest: int | None


def folders_of(config: Settings, name: str = tiny_nights.NAME) -> ModelFolders:
    """Return the folders of the pipeline of the nights, or of another."""
    return config.folders(name)


def simulate(nights: int, folder: Path, weekly: bool = False) -> Iterator[Night]:
    """Simulate one run a night. Everything that a run needs is read again, as in a node's own process.

    With `weekly`, a second model has a run every seventh night, which is not measured.
    """
    with mock.patch.dict(
        os.environ,
        NIGHTLITE_VAR_DIR=str(folder),
        NIGHTLITE_KEEP_ARTIFACT_RUNS=str(KEEP_RUNS),
        NIGHTLITE_KEEP_RELEASES=str(KEEP_RELEASES),
    ):
        forget_settings()
        try:
            compiled = compiled_nights()
            compiled_nights(name=WEEKLY)
            for number in range(nights):
                if weekly and number % 7 == 0:  # before the other, and with the same run id
                    for item in compiled.nodes:
                        run_node(item.id, number // 7, f"night-{number}", file_of(WEEKLY))
                with counted_calls() as calls:
                    started = time.perf_counter()
                    for item in compiled.nodes:
                        run_node(item.id, number)
                    seconds = time.perf_counter() - started
                yield observed(seconds, len(calls))
        finally:
            forget_settings()


def file_of(name: str = tiny_nights.NAME) -> Path:
    return settings().compiled_file(MODEL).with_name(f"{name}.json")


def compiled_nights(root: Path | None = None, name: str = tiny_nights.NAME) -> CompiledPipeline:
    """Compile the pipeline for the deployment that the settings tell of, its artifacts in `root`."""
    folders = folders_of(settings(), name)
    pipeline = tiny_nights.create_pipeline(str(root or folders.artifacts), str(folders.releases), name)
    compiled = compile_pipeline(pipeline, tiny_nights.PARAMETERS, HOOKS)
    compiled.write(file_of(name))
    return compiled


def execute(node_id: str, number: int, run_id: str = "", pipeline: Path | None = None, **parameters: Any) -> NodeResult:
    """Run a node of one night; a failure is a result."""
    config = settings()
    request = NodeRequest(
        pipeline=pipeline or file_of(),
        node_id=node_id,
        run_id=run_id or f"night-{number}",
        metadata_url=config.mlmd_url,
        parameters={"night": number, "week": number // 7, **parameters},
        result=(result := config.var_dir / "result.json"),
    )
    node.execute(request)
    return NodeResult.read(result)


def run_node(
    node_id: str, number: int, run_id: str = "", pipeline: Path | None = None, **parameters: Any
) -> NodeResult:
    result = execute(node_id, number, run_id, pipeline, **parameters)
    assert result.state in ("succeeded", "cached"), (node_id, number, result)
    return result


def prune(config: Settings, keep_runs: int = 1, push_dir: Path | None = None) -> int:
    store = open_store(config.mlmd_url)
    return retention.prune(
        store, tiny_nights.NAME, folders_of(config).artifacts, push_dir or folders_of(config).releases, keep_runs
    )


def reopened(url: str) -> int:
    """Have MLMD take the oldest Train for one that runs; gives its execution's id."""
    with open_store(url) as handle:
        oldest = min(handle.store.get_executions_by_type("tests.pipelines.tiny_nights.Train"), key=lambda item: item.id)
        oldest.last_known_state = oldest.RUNNING
        handle.store.put_executions([oldest])
    return int(oldest.id)


@contextlib.contextmanager
def counted_calls() -> Iterator[list[str]]:
    """Yield the calls of the metadata store, in a list that grows."""
    made: list[str] = []
    original = metadata_store.MetadataStore._call

    def call(store: Any, method: str, *args: Any, **kwargs: Any) -> Any:
        made.append(method)
        return original(store, method, *args, **kwargs)

    with mock.patch.object(metadata_store.MetadataStore, "_call", call):
        yield made


def observed(seconds: float, calls: int) -> Night:
    config = settings()
    released = files_below(folders_of(config).releases)
    history = released.pop(HISTORY_FILE)
    return Night(
        seconds=seconds,
        calls=calls,
        store_bytes=sum(files_below(config.var_dir / "metadata").values()),
        artifact_bytes=sum(files_below(folders_of(config).artifacts).values()),
        folders=sum(path.is_dir() for path in folders_of(config).artifacts.rglob("*")),
        release_bytes=sum(released.values()),
        history_bytes=history,
        resident_bytes=psutil.Process().memory_info().rss,
        latest=Releases(folders_of(config).releases).latest_version(),
    )


def draw(nights: list[Night], picture: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, 3, figsize=(12, 5.5), layout="constrained")
    shown = (
        ("seconds a night, five nodes", [night.seconds for night in nights]),
        ("calls of the metadata store a night", [night.calls for night in nights]),
        ("metadata store, MB", [night.store_bytes / 1e6 for night in nights]),
        (f"artifacts, MB ({KEEP_RUNS} runs kept)", [night.artifact_bytes / 1e6 for night in nights]),
        (f"releases, MB ({KEEP_RELEASES} kept)", [night.release_bytes / 1e6 for night in nights]),
        ("this process's memory, MB", [night.resident_bytes / 1e6 for night in nights]),
    )
    for axis, (title, values) in zip(axes.flat, shown, strict=True):
        axis.plot(values, linewidth=1, color="#1f6f8b")
        axis.set_ylim(0, 1.1 * max(values))
        axis.set_title(title, fontsize=10)
        axis.grid(alpha=0.3)
    for axis in axes[1]:
        axis.set_xlabel("night")
    picture.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(picture, dpi=80)


def main(count: int = 365, picture: Path = PROJECT / "docs" / "images" / "nights.png") -> None:
    with tempfile.TemporaryDirectory() as folder:
        nights = list(simulate(count, Path(folder)))
    draw(nights, picture)
    first, last = nights[count // 10], nights[-1]
    print(f"{count} nights; night {count // 10}: {first}\nlast: {last}\n{picture}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]), *map(Path, sys.argv[2:3]))
