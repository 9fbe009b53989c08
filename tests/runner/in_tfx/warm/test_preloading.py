"""The imports of a warm server before it forks, and the code that it reads ahead."""

import importlib
from pathlib import Path

import pytest

from nightlite.runner.compiled_pipeline import CompiledPipeline, Hooks
from nightlite.runner.in_tfx import fingerprints
from nightlite.runner.in_tfx.warm import forking, preloading


@pytest.fixture
def pipeline(tmp_path: Path) -> Path:
    return tmp_path / "p.json"


def write(pipeline: Path, *executors: str) -> None:
    specs = {str(number): {"classPath": f"{executor}.Executor"} for number, executor in enumerate(executors)}
    ir = {"deploymentConfig": {"executorSpecs": specs}}
    hooks = Hooks(outcome="nightlite.ondevice.in_tfx.node_outcome:outcome_of")
    CompiledPipeline(tfx_version="1.21.0", name="p", nodes=(), ir=ir, hooks=hooks).write(pipeline)


@pytest.mark.parametrize(
    ("executor", "preloaded"),
    [
        ("tfx.components.y", True),
        ("nightlite.ondevice.in_tfx.report.component", True),
        ("nightlite.ondevice.in_airflow.nightly", False),
        ("models.mnist.x", False),
        ("nightlite.mine.x", False),
        ("tests.pipelines.odd", False),
        ("nobody.has.it", False),
    ],
)
def test_only_what_is_installed_and_our_own_is_preloaded(
    pipeline: Path, monkeypatch: pytest.MonkeyPatch, executor: str, preloaded: bool
) -> None:
    write(pipeline, executor, "keras.z")
    imported: list[str] = []
    monkeypatch.setattr(importlib, "import_module", imported.append)
    monkeypatch.setattr(forking, "eager_context_touched", lambda: False)  # by other tests of this process
    preloading.preload(pipeline)
    assert {"keras.z", "tfx.v1", "nightlite.ondevice.in_tfx.node_outcome"} <= set(imported)
    assert (executor in imported) == preloaded


def test_a_pipeline_is_read_ahead_once_and_again_after_it_is_compiled_again(
    pipeline: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    read: list[str] = []
    monkeypatch.setattr(fingerprints, "read_ahead", read.append)
    preloading.read_ahead(pipeline)
    assert "No such file" in capsys.readouterr().out
    for executors in (("a.b",), ("a.b", "c.d")):
        write(pipeline, *executors)
        for _ in range(2):
            preloading.read_ahead(pipeline)
    assert [text.count("classPath") for text in read] == [1, 2]
