"""The baseline: the release, wherever a rollback has moved it, else the last that was blessed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2
from tfx.types import standard_artifacts

from nightlite.deployment.settings import Settings, settings
from nightlite.errors import ReleaseError
from nightlite.ondevice.contract.app_contract import AppContract
from nightlite.ondevice.in_tfx.pusher.baseline import ReleasedModelStrategy
from nightlite.ondevice.releases.manifest import Manifest
from nightlite.ondevice.releases.store import Releases
from nightlite.runner.in_tfx.made_by import MADE_BY
from nightlite.runner.in_tfx.mlmd.store import open_store
from nightlite.runner.node_result import NodeResult
from tests.faults.tfx.nights import compiled_nights, run_node
from tests.ondevice.releases.made_releases import CONTRACT, describe
from tests.pipelines import tiny_nights


def blessing(artifact_id: int, model_id: int, blessed: bool) -> standard_artifacts.InfraBlessing:
    artifact = standard_artifacts.InfraBlessing()
    artifact.id = artifact_id
    artifact.set_int_custom_property("blessed", int(blessed))
    artifact.set_int_custom_property("current_model_id", model_id)
    return artifact


# Model 1 was blessed, then 2, then 1 again (the same data, answered from cache); 3 was refused.
BLESSINGS = [blessing(11, 1, True), blessing(12, 2, True), blessing(13, 3, False), blessing(14, 1, True)]


class Shelf:
    """Models of three nights on the disk, a folder of releases, and an empty metadata store."""

    def __init__(self, folder: Path) -> None:
        self.releases, self.imported = Releases(folder / "pushed"), folder / "imported"
        connection = metadata_store_pb2.ConnectionConfig()
        connection.fake_database.SetInParent()
        self.store = MetadataStore(connection)
        self.models = [self._model(folder, number) for number in (3, 1, 2)]

    @staticmethod
    def _model(folder: Path, number: int) -> standard_artifacts.Model:
        artifact = standard_artifacts.Model()
        artifact.id, artifact.uri = number, str(folder / "model" / str(number))
        file = Path(artifact.uri, "Format-Serving", "tflite")
        file.parent.mkdir(parents=True)
        file.write_text(f"model {number}")
        return artifact

    def release(self, number: int, artifact_id: int | None = None, **said: Any) -> None:
        file = self.releases.folder.parent / "model" / str(number) / "Format-Serving" / "tflite"
        description = describe(f"run-{number}").model_copy(update={"model_artifact_id": artifact_id or number, **said})
        assert self.releases.push(file, description, who="Pusher").outcome == "released"

    def strategy(self, contract: AppContract = CONTRACT) -> ReleasedModelStrategy:
        return ReleasedModelStrategy(str(self.releases.folder), str(self.imported), contract.model_dump_json())

    def resolve(
        self, models: list | None = None, blessings: list = BLESSINGS
    ) -> tuple[list[standard_artifacts.Model], list[int]]:
        strategy = self.strategy()
        channels = {"model": self.models if models is None else models, "blessing": blessings}
        found = strategy.resolve_artifacts(self.store, channels)
        return found["model"], [item.id for item in found["blessing"]]

    def resolved(self, models: list | None = None, blessings: list = BLESSINGS) -> tuple[list[int], list[int]]:
        found, blessed = self.resolve(models, blessings)
        return [item.id for item in found], blessed


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


def test_without_a_release_it_is_the_one_blessed_last(shelf: Shelf) -> None:
    assert shelf.resolved() == ([1], [14])
    assert shelf.resolved(blessings=BLESSINGS[:3]) == ([2], [12])


def test_without_a_release_a_blessed_file_with_other_inputs_is_no_baseline(shelf: Shelf, tmp_path: Path) -> None:
    """Such as of a first model that no one approved, before a change of the features."""
    last = blessing(15, 2, True)
    last.uri = str(tmp_path)
    file, form = tmp_path / "measurements.json", CONTRACT.file.model_dump(mode="json")
    file.write_text(json.dumps({"contract": form}))
    assert shelf.resolved(blessings=[*BLESSINGS, last]) == ([2], [15])
    file.write_text(json.dumps({"contract": form | {"inputs": [*form["inputs"], form["inputs"][0] | {"name": "x"}]}}))
    assert shelf.resolved(blessings=[*BLESSINGS, last]) == ([1], [14])


def test_a_refused_model_and_an_empty_history_give_none(shelf: Shelf) -> None:
    assert shelf.resolved(blessings=[BLESSINGS[2]]) == ([], [])
    assert shelf.resolved(models=[], blessings=[]) == ([], [])


def test_a_rollback_moves_the_baseline(shelf: Shelf) -> None:
    shelf.release(1)
    shelf.release(2)
    assert shelf.resolved() == ([2], [12])
    shelf.releases.rollback(1, who="ann", why="2 mistakes sevens")
    assert shelf.resolved() == ([1], [14])
    assert not shelf.imported.exists()


def test_the_anchor_is_found_beside_the_last_release_also_where_the_metadata_store_was_lost(shelf: Shelf) -> None:
    strategy = shelf.strategy()

    def anchors() -> list[standard_artifacts.Model]:
        channels = {"model": shelf.models, "anchor": shelf.models, "blessing": BLESSINGS}
        return strategy.resolve_artifacts(shelf.store, channels)["anchor"]

    assert anchors() == []
    shelf.release(1)
    assert anchors() == []
    shelf.release(2, anchor=1)
    assert [item.id for item in anchors()] == [1]
    shelf.models = []
    [copy] = anchors()
    assert Path(copy.uri, "Format-Serving", "tflite").read_text() == "model 1"


OTHER_LABELS = CONTRACT.model_copy(update={"labels": ("no", "yes")})


def resolved_with(shelf: Shelf, contract: AppContract) -> dict[str, list[standard_artifacts.Model]]:
    """Return what a run whose model has this contract finds. The releases have `CONTRACT` unless they say other."""
    channels = {"model": shelf.models, "anchor": shelf.models, "replaced": shelf.models, "blessing": BLESSINGS}
    return shelf.strategy(contract).resolve_artifacts(shelf.store, channels)


def test_a_release_of_another_contract_is_no_baseline_and_is_handed_on_with_its_manifest(shelf: Shelf) -> None:
    shelf.release(1)
    shelf.release(2, anchor=1)
    alike = resolved_with(shelf, CONTRACT)
    assert ([item.id for item in alike["model"]], [item.id for item in alike["anchor"]]) == ([2], [1])
    assert alike["replaced"] == []
    found = resolved_with(shelf, OTHER_LABELS)
    assert (found["model"], found["anchor"], found["blessing"]) == ([], [], [])
    [replaced] = found["replaced"]
    assert Manifest.model_validate_json(Path(replaced.uri, "manifest.json").read_text()).version == 2
    assert Path(replaced.uri, "Format-Serving", "tflite").read_text() == "model 2"
    [again] = resolved_with(shelf, OTHER_LABELS)["replaced"]
    assert again.uri == replaced.uri


def test_a_release_of_the_same_file_with_another_meaning_is_another_one(shelf: Shelf) -> None:
    shelf.release(1, labels=("a", "b"))
    [first] = resolved_with(shelf, CONTRACT)["replaced"]
    shelf.releases.folder.rename(shelf.releases.folder.with_name("lost"))
    shelf.release(1, labels=("c", "d"))
    [second] = resolved_with(shelf, CONTRACT)["replaced"]
    assert first.uri != second.uri
    assert '"c"' in Path(second.uri, "manifest.json").read_text()


def test_an_anchor_of_another_contract_is_skipped_alone(shelf: Shelf) -> None:
    shelf.release(1, labels=OTHER_LABELS.labels)
    shelf.release(2, anchor=1)
    found = resolved_with(shelf, CONTRACT)
    assert ([item.id for item in found["model"]], found["anchor"], found["replaced"]) == ([2], [], [])


def test_a_release_whose_manifest_is_older_than_meanings_is_a_baseline(shelf: Shelf) -> None:
    inputs = tuple(item.model_copy(update={"meaning": None, "shape": (-1, 784)}) for item in CONTRACT.inputs)
    shelf.release(2, inputs=inputs)
    assert [item.id for item in resolved_with(shelf, CONTRACT)["model"]] == [2]


def test_a_damaged_release_of_another_contract_is_no_reason_to_skip_its_gate(shelf: Shelf) -> None:
    shelf.release(2)
    (shelf.releases.folder / "1" / "model.tflite").write_text("rotten")
    with pytest.raises(ReleaseError, match="expected sha256"):
        resolved_with(shelf, OTHER_LABELS)


@pytest.mark.parametrize("artifact_id", [3, 99], ids=["a refused model's", "nobody's"])
def test_where_the_id_is_another_models_the_releases_own_file_is_the_baseline(
    shelf: Shelf, caplog: pytest.LogCaptureFixture, artifact_id: int
) -> None:
    """As after the metadata store was lost and made again."""
    shelf.release(2, artifact_id)
    [model], blessed = shelf.resolve()
    assert Path(model.uri, "Format-Serving", "tflite").read_text() == "model 2"
    assert (model.id, blessed) == (0, [])
    assert f"release 1 was made of model {artifact_id}, whose file" in caplog.text
    assert "the release's own file takes its place" in caplog.text


def test_a_baseline_that_was_changed_since_is_not_believed(shelf: Shelf) -> None:
    shelf.release(2)
    file = Path(shelf.models[2].uri, "Format-Serving", "tflite")
    file.write_text("other")
    [model], _ = shelf.resolve()
    copy = Path(model.uri, "Format-Serving", "tflite")
    assert copy != file and copy.read_text() == "model 2"
    copy.write_text("another")
    assert Path(shelf.resolve()[0][0].uri, "Format-Serving", "tflite").read_text() == "model 2"


def test_a_damaged_release_is_no_baseline_and_is_said(shelf: Shelf, caplog: pytest.LogCaptureFixture) -> None:
    shelf.release(2, 99)
    (shelf.releases.folder / "1" / "model.tflite").write_text("rotten")
    assert shelf.resolved() == ([], [])
    assert "nothing is compared with it" in caplog.text and "expected sha256" in caplog.text


def made_by(run: dict[str, NodeResult]) -> str:
    """Return the code that the night's model was made by, as MLMD has it."""
    [model] = run["Train"].outputs["model"]
    with open_store(settings().mlmd_url) as handle:
        [artifact] = handle.store.get_artifacts_by_id([model.id])
    return str(artifact.custom_properties[MADE_BY].string_value)


Nights = Callable[[int], dict[str, NodeResult]]


@pytest.fixture
def nights(deployed: Settings) -> Nights:
    """Return the real launcher on a pipeline of a few bytes, night by night."""
    compiled = compiled_nights()
    return lambda night: {item.id: run_node(item.id, night, week=0) for item in compiled.nodes}


def baseline(run: dict[str, NodeResult]) -> bytes:
    [model] = run["Resolver.released"].outputs["model"]
    [file] = [path for path in Path(model.uri).rglob("tflite") if path.is_file()]
    return file.read_bytes().rstrip()


def test_the_next_nights_baseline_is_the_model_that_was_rolled_back_to(nights: Nights) -> None:
    first, second = nights(0), nights(1)
    assert made_by(first) == made_by(second) != ""
    assert (first["Resolver.released"].outputs, baseline(second)) == ({}, b"nights' model of night 0.")
    Releases(settings().folders(tiny_nights.NAME).releases).rollback(1, who="ann", why="2 mistakes sevens")
    third = nights(3)
    assert baseline(third) == b"nights' model of night 0."
    assert third["Resolver.released"].outputs["model"] == first["Train"].outputs["model"]
    assert baseline(nights(4)) == b"nights' model of night 3."


def test_with_a_metadata_store_made_again_it_is_the_last_release_all_the_same(
    nights: Nights, deployed: Settings
) -> None:
    nights(0)
    Path(deployed.mlmd_url.removeprefix("sqlite:///")).unlink()
    refused, again = nights(5), nights(8)  # both of them refused, so that the release stays
    assert baseline(refused) == baseline(again) == b"nights' model of night 0."
    assert refused["Resolver.released"].outputs == again["Resolver.released"].outputs
    [model] = again["Resolver.released"].outputs["model"]
    assert model.id not in {run["Train"].outputs["model"][0].id for run in (refused, again)}
    with open_store(deployed.mlmd_url) as handle:
        assert [item.id for item in handle.store.get_artifacts_by_uri(model.uri)] == [model.id]
    assert baseline(nights(9)) == b"nights' model of night 0."
    assert baseline(nights(10)) == b"nights' model of night 9."
