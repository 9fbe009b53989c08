"""Which model is the baseline: the release, wherever a rollback has moved it, else the last that was blessed."""

import json
from pathlib import Path

import pytest
from tfx.types import standard_artifacts

from pipeline_lib.tfx.released_model import ReleasedModelStrategy


def model(artifact_id: int) -> standard_artifacts.Model:
    artifact = standard_artifacts.Model()
    artifact.id = artifact_id
    return artifact


def blessing(artifact_id: int, model_id: int, blessed: bool) -> standard_artifacts.InfraBlessing:
    artifact = standard_artifacts.InfraBlessing()
    artifact.id = artifact_id
    artifact.set_int_custom_property("blessed", int(blessed))
    artifact.set_int_custom_property("current_model_id", model_id)
    return artifact


# Model 1 was blessed, then 2, then 1 again (the same data, answered from cache); 3 was refused.
MODELS = [model(3), model(1), model(2)]
BLESSINGS = [blessing(11, 1, True), blessing(12, 2, True), blessing(13, 3, False), blessing(14, 1, True)]


def resolved(push_dir: Path, models: list = MODELS, blessings: list = BLESSINGS) -> tuple[list[int], list[int]]:
    found = ReleasedModelStrategy(str(push_dir)).resolve_artifacts(None, {"model": models, "blessing": blessings})
    return [item.id for item in found["model"]], [item.id for item in found["blessing"]]


def release(push_dir: Path, model_id: int) -> None:
    (push_dir / "latest").mkdir(parents=True, exist_ok=True)
    (push_dir / "latest" / "manifest.json").write_text(json.dumps({"model_artifact_id": model_id}))


def test_without_a_release_it_is_the_one_blessed_last(tmp_path: Path) -> None:
    assert resolved(tmp_path) == ([1], [14])
    assert resolved(tmp_path, blessings=BLESSINGS[:3]) == ([2], [12])


def test_a_refused_model_and_an_empty_history_give_none(tmp_path: Path) -> None:
    assert resolved(tmp_path, blessings=[BLESSINGS[2]]) == ([], [])
    assert resolved(tmp_path, models=[], blessings=[]) == ([], [])


@pytest.mark.parametrize("released", [1, 2])
def test_a_rollback_moves_the_baseline(tmp_path: Path, released: int) -> None:
    release(tmp_path, released)
    assert resolved(tmp_path)[0] == [released]


def test_a_release_of_another_metadata_store_is_no_baseline_and_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    release(tmp_path, 99)
    assert resolved(tmp_path) == ([], [])
    assert "model 99" in caplog.text
