"""EdgeValidator's executor: where it keeps the eval split while it measures."""

from pathlib import Path
from typing import Any

import pytest
from tfx.types import Artifact, standard_artifacts

from nightlite.errors import NightliteError
from nightlite.ondevice.in_tfx.edge_validator import executor


def artifacts(kind: type[Artifact], uri: Path) -> list[Artifact]:
    artifact = kind()
    artifact.uri = str(uri)
    return [artifact]


def test_the_split_lies_below_the_pipelines_root_and_is_removed_after_a_failure_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = []

    def crash(*arguments: Any) -> None:
        folders.append(arguments[-1])
        (arguments[-1] / "inputs.npy").write_bytes(b"examples")
        raise NightliteError("the process crashed")

    monkeypatch.setattr(executor, "_measure", crash)
    monkeypatch.setattr(executor, "overall_metrics", lambda _: {})
    evaluation = artifacts(standard_artifacts.ModelEvaluation, tmp_path / "evaluation")
    inputs = {"evaluation": evaluation, "lite_evaluation": evaluation}
    outputs = {"blessing": artifacts(standard_artifacts.InfraBlessing, tmp_path / "blessing")}
    context = executor.Executor.Context(tmp_dir=str(tmp_path / "root"), unique_id="1")
    with pytest.raises(NightliteError, match="the process crashed"):
        executor.Executor(context).Do(inputs, outputs, {})
    [folder] = folders
    assert folder.is_relative_to(tmp_path / "root") and not folder.exists()
