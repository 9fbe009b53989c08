"""The Pusher's executor on artifacts of a made-up run; the whole pipeline is in tests/end_to_end."""

import json
import math
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tfx.dsl.components.base import base_executor
from tfx.proto import pusher_pb2
from tfx.types import Artifact, standard_artifacts
from tfx.utils import json_utils, proto_utils

from models.mnist.on_device import MODEL
from nightlite.errors import NodeRequestError, ReleaseError
from nightlite.ondevice.approval import Approval
from nightlite.ondevice.contract.app_contract import AppContract, Meaning
from nightlite.ondevice.contract.golden import GOLDEN_FILE, Golden, GoldenExample
from nightlite.ondevice.gates.gate import Gate, Gates
from nightlite.ondevice.gates.paired import Comparison
from nightlite.ondevice.in_tfx.node_outcome import node_outcome
from nightlite.ondevice.in_tfx.pusher import executor
from nightlite.ondevice.releases.manifest import CARD_FILE, sha256_of
from nightlite.ondevice.releases.release import Release
from nightlite.ondevice.releases.store import Releases
from nightlite.settings import forget_settings
from tests.ondevice.cards import CARD
from tests.ondevice.gates.test_edge import MEASURED
from tests.ondevice.in_tfx.gate_laboratory import new
from tests.ondevice.in_tfx.pusher.test_signing import make_keys
from tests.pipelines.tiny_tflite import sure_of

METRICS = {"sparse_categorical_accuracy": 0.99}
EDGE = MEASURED.model_dump(mode="json") | {"size_bytes": 7, "max_abs_difference": None}
QUALITY = {name: EDGE[name] for name in ("accuracy", "tfma_accuracy", "keras_agreement", "mean_abs_difference")}
GOLDEN = Golden(sha256="", tolerance=1e-5, examples=(GoldenExample(label="7", inputs={}, outputs={}),))
IN_PERCENT = Meaning(description="pixels", unit="percent")
CONTRACT = MODEL.app_contract
GATE = Gate(name="min_accuracy", node_id="E", subject="accuracy", relation=">=", bound=0.9, value=0.99, passed=True)
Pushed = dict[str, Any]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("models")
    return [sure_of(digit, folder) for digit in range(4)]


@pytest.fixture(autouse=True)
def fresh_settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(executor, "overall_metrics", lambda uri: METRICS | {"calibration": math.nan})
    monkeypatch.setattr(executor, "code_revision", lambda: "r42")
    forget_settings()
    yield
    forget_settings()


@pytest.fixture
def releases(tmp_path: Path) -> Releases:
    return Releases(tmp_path / "pushed")


@pytest.fixture
def push(tmp_path: Path, models: list[Path], releases: Releases) -> Callable[..., Pushed]:
    """Push a model as one run; returns what the PushedModel artifact says."""
    executions = iter(range(1, 100))

    def artifact_of(kind: type[Artifact], folder: Path, identity: int) -> Artifact:
        made = new(kind, folder)
        made.id = identity
        return made

    def run(
        model: int,
        run_id: str,
        *,
        blessed: bool = True,
        infra: bool = True,
        contract: AppContract = CONTRACT,
        least_app_version: int = 0,
        push: str = "yes",
        approval: str = "none",
        record: str = "",
        span: int = 3,
        asked_span: str = "latest",
        measurements: dict[str, Any] | None = None,
        golden: Golden = GOLDEN,
    ) -> Pushed:
        execution = next(executions)
        root = tmp_path / "root" / str(execution)
        inputs = {
            "model": [artifact_of(standard_artifacts.Model, root / "model", 10 + model)],
            "model_blessing": [artifact_of(standard_artifacts.ModelBlessing, root / "blessing", 20)],
            "_ImportExampleGen.examples": [artifact_of(standard_artifacts.Examples, root / "examples", 30)],
        }
        serving = root / "model" / "Format-Serving"
        serving.mkdir()
        shutil.copy(models[model], serving / "tflite")
        inputs["model_blessing"][0].set_int_custom_property("blessed", int(blessed))
        inputs["infra_blessing"] = [artifact_of(standard_artifacts.InfraBlessing, root / "infra", 40)]
        inputs["infra_blessing"][0].set_int_custom_property("blessed", int(infra))
        Gates(gates=(GATE,)).write(root / "infra")
        measured = EDGE | {"sha256": sha256_of(models[model])} | (measurements or {})
        (root / "infra" / "measurements.json").write_text(json.dumps(measured))
        golden.model_copy(update={"sha256": golden.sha256 or measured["sha256"]}).write(root / "infra")
        pushed = artifact_of(standard_artifacts.PushedModel, root / "pushed_model", 50)
        destination = pusher_pb2.PushDestination(
            filesystem=pusher_pb2.PushDestination.Filesystem(base_directory=str(releases.folder))
        )
        context = base_executor.BaseExecutor.Context(
            tmp_dir=str(root), unique_id=str(execution), pipeline_run_id=run_id
        )
        executor.Executor(context).Do(
            inputs,
            {"pushed_model": [pushed]},
            {
                "push_destination": proto_utils.proto_to_json(destination),
                "custom_config": json_utils.dumps(
                    {"contract": contract.model_dump_json(), "card": CARD.model_dump_json(), "push": push}
                ),
                "span": span,
                "source": "a meadow",
                "run_parameters": json.dumps(
                    {"epochs": 3, "push": push, "span": asked_span, "least_app_version": least_app_version}
                ),
                "evaluation_uri": "evaluation",
                "approval": approval,
                "approval_record": record,
            },
        )
        said = node_outcome([("PushedModel", pushed.mlmd_artifact)])
        release = dict.fromkeys(("pushed_version", "pushed_to", "pushed_sha256"))
        return {"pushed": pushed.mlmd_artifact.custom_properties["pushed"].int_value == 1, **release} | {
            **said.facts,
            "reason": said.reason,
        }

    return run


def test_a_blessed_model_becomes_a_release_that_tells_all(push: Callable[..., Pushed], releases: Releases) -> None:
    said = push(0, "run-1")
    release = releases.latest()
    assert release
    assert said == {
        "pushed": True,
        "pushed_version": "1",
        "pushed_to": str(release.folder),
        "pushed_sha256": release.manifest.sha256,
        "reason": None,
        "outcome": "released",
        "metrics": METRICS | QUALITY,
    }
    manifest = release.manifest
    assert (manifest.span, manifest.code_revision, manifest.run_id) == (3, "r42", "run-1")
    assert manifest.parameters == {"epochs": 3, "push": "yes", "span": "latest", "least_app_version": 0}
    assert (manifest.app_contract, manifest.least_app_version) == (CONTRACT, 1)
    assert (manifest.model_artifact_id, manifest.execution_id) == (10, 1)
    ids = {"model": 10, "model_blessing": 20, "ImportExampleGen.examples": 30, "infra_blessing": 40}
    assert manifest.artifact_ids == ids
    assert (manifest.gates, manifest.measurements) == ((GATE,), EDGE | {"sha256": manifest.sha256})
    assert (str(manifest.inputs[0]), str(manifest.outputs[0])) == (
        *("image_floats float32[1, 784]", "probabilities float32[1, 10]"),
    )
    assert manifest.versions["tensorflow"].startswith("2.") and manifest.least_runtime_version == "1.6.0"


def test_a_release_has_the_golden_examples_and_a_card(push: Callable[..., Pushed], releases: Releases) -> None:
    push(0, "run-1")
    release = releases.latest()
    assert release and set(release.manifest.files) == {GOLDEN_FILE, CARD_FILE}
    assert release.golden() == GOLDEN.model_copy(update={"sha256": release.manifest.sha256})
    card = (release.folder / CARD_FILE).read_text()
    assert card.startswith("# Flowers of a meadow, release 1\n") and "Span 3, from a meadow. CC0" in card
    assert release.manifest.source == "a meadow"


def test_a_release_begins_with_the_first_share_of_the_models_plan(
    push: Callable[..., Pushed], releases: Releases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"NIGHTLITE_{releases.model.upper()}_ROLLOUT", "10,50")
    assert [push(number, f"run-{number}")["outcome"] for number in range(3)] == ["released"] * 3
    assert [event.permille for event in releases.history()] == [1000, 100, 0]


def test_golden_examples_of_another_file_are_not_released(push: Callable[..., Pushed], releases: Releases) -> None:
    with pytest.raises(ReleaseError, match=r"golden\.json: expected the examples of this release's file"):
        push(0, "run-1", golden=GOLDEN.model_copy(update={"sha256": "0" * 64}))
    assert releases.versions() == []


@pytest.mark.parametrize("refused", [{"blessed": False}, {"infra": False}])
def test_what_is_not_blessed_is_not_pushed(
    push: Callable[..., Pushed], releases: Releases, refused: dict[str, Any]
) -> None:
    push(0, "run-1")
    assert push(1, "run-2", **refused) == {
        "pushed": False,
        **dict.fromkeys(("pushed_version", "pushed_to", "pushed_sha256", "reason")),
        "outcome": "refused",
    }
    assert releases.versions() == [1]


def test_a_dry_run_says_what_would_be_released_and_writes_nothing(
    push: Callable[..., Pushed], releases: Releases
) -> None:
    assert push(0, "run-1", push="dry run")["reason"] == "dry run: release 1 would have been made"
    assert not releases.folder.exists()
    push(0, "run-2")
    before = sorted((path, path.stat().st_mtime_ns) for path in releases.folder.rglob("*"))
    said = push(0, "run-3", push="dry run")
    assert (said["outcome"], said["reason"]) == (
        "dry_run",
        "dry run: nothing new: release 1 is this very file already",
    )
    assert push(1, "run-4", push="dry run")["reason"] == "dry run: release 2 would have been made"
    assert push(1, "run-5", push="dry run", blessed=False)["reason"] is None
    assert sorted((path, path.stat().st_mtime_ns) for path in releases.folder.rglob("*")) == before


MADE_OF = {"code": "c", "data": "d", "quantization": "none"}


def against(release: Release | None, won: int, lost: int, p: float) -> dict[str, Any]:
    assert release
    found = Comparison(sha256=release.manifest.sha256, won=won, lost=lost, n=1000, p=p)
    return {**MADE_OF, "against_baseline": found.model_dump()}


def test_on_the_same_data_only_a_better_model_is_released_and_no_one_is_asked_about_another(
    push: Callable[..., Pushed], releases: Releases
) -> None:
    push(0, "run-1", measurements=MADE_OF)
    by_chance = against(releases.latest(), 7, 4, 0.55)
    why = "no detectable difference from release 1 on the same data (7 won, 4 lost of 1,000)"
    for said in (
        push(1, "run-2", measurements=by_chance),
        push(1, "run-3", measurements=by_chance, approval="required"),
    ):
        assert (said["outcome"], said["reason"], said["pushed_version"]) == ("no_better", why, None)
    assert push(1, "look", measurements=by_chance, push="dry run")["reason"] == f"dry run: {why}"
    assert releases.versions() == [1]
    assert push(1, "run-4", measurements=by_chance, push="even if no better")["pushed_version"] == "2"
    # Release 1 was not beaten, so it stays the anchor; the last plain run's file is not pushed over 2.
    assert (releases.release(2).manifest.anchor, releases.release(2).manifest.beat_anchor) == (1, False)
    again = push(0, "run-5", measurements=against(releases.latest(), 4, 7, 0.55))
    assert again["reason"] == "no better: this very file is release 1, which release 2 replaced on the same data"
    better = against(releases.latest(), 40, 10, 1e-5) | {
        "against_anchor": against(releases.release(1), 44, 11, 1e-5)["against_baseline"]
    }
    assert push(2, "run-6", measurements=better)["outcome"] == "released"
    manifest = releases.release(3).manifest
    assert (manifest.anchor, manifest.beat_anchor, manifest.next_anchor) == (1, True, 3)
    assert push(2, "run-6", measurements=better)["outcome"] == "released"  # a retry


def test_older_data_is_released_over_newer_only_where_a_run_asks_for_it(
    push: Callable[..., Pushed], releases: Releases
) -> None:
    push(0, "run-1", span=6)
    why = "older data: span 5, and release 1 has span 6; span=5 would release it"
    assert push(1, "backfill", span=5) == {
        "pushed": False,
        **dict.fromkeys(("pushed_version", "pushed_to", "pushed_sha256")),
        "reason": why,
        "outcome": "older_data",
    }
    assert push(1, "look", span=5, push="dry run")["reason"] == f"dry run: {why}"
    assert releases.versions() == [1]
    assert push(2, "run-2", span=6)["pushed_version"] == "2"
    assert push(1, "by hand", span=5, asked_span="5")["pushed_version"] == "3"
    # From then on that is what phones have.
    assert push(3, "run-3", span=5)["pushed_version"] == "4"


def test_the_retry_of_a_run_pushes_nothing_more_and_says_the_same(
    push: Callable[..., Pushed], releases: Releases
) -> None:
    assert push(0, "run-1") == push(0, "run-1")
    assert releases.versions() == [1]


@pytest.mark.parametrize("approval", ["none", "required"])
def test_the_same_file_in_another_run_is_nothing_new_and_needs_no_approval(
    push: Callable[..., Pushed], releases: Releases, approval: str
) -> None:
    first, again = push(0, "run-1"), push(0, "run-2", approval=approval)
    assert (again["outcome"], again["reason"]) == ("nothing_new", "nothing new: release 1 is this very file already")
    assert (again["pushed"], again["pushed_version"], again["pushed_to"]) == (False, "1", first["pushed_to"])
    assert releases.versions() == [1]


def test_what_was_rolled_back_from_stays_so(push: Callable[..., Pushed], releases: Releases) -> None:
    push(0, "run-1")
    push(1, "run-2")
    releases.rollback(1, who="ann", why="it mistakes sevens")
    said = push(1, "run-3")
    assert (said["pushed"], said["pushed_to"]) == (False, None)
    assert said["reason"].startswith("not pushed: ann rolled back from this very file (it mistakes sevens); only ")
    assert releases.latest_version() == 1


def test_old_releases_go_after_a_push(
    push: Callable[..., Pushed], releases: Releases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIGHTLITE_KEEP_RELEASES", "2")
    forget_settings()
    for model in range(4):
        push(model, f"run-{model}")
    assert releases.versions() == [1, 3, 4]  # none beat the first, so that is their anchor


def test_a_file_of_another_form_than_the_declared_one_is_refused(
    push: Callable[..., Pushed], releases: Releases
) -> None:
    other = CONTRACT.model_copy(update={"output": CONTRACT.output.model_copy(update={"shape": (1, 2)})})
    with pytest.raises(ReleaseError, match=r"expected the declared contract, .* to probabilities float32\[1, 2\]"):
        push(0, "run-1", contract=other)
    assert releases.versions() == []


OTHER_UNIT = CONTRACT.model_copy(
    update={"inputs": tuple(item.model_copy(update={"meaning": IN_PERCENT}) for item in CONTRACT.inputs)}
)


def test_another_contract_is_released_only_where_the_run_says_a_newer_app(
    push: Callable[..., Pushed], releases: Releases
) -> None:
    push(0, "run-1", measurements=MADE_OF)
    for said in (
        push(1, "run-2", contract=OTHER_UNIT),
        push(0, "run-3", contract=OTHER_UNIT),  # the very same file
        push(1, "run-4", contract=OTHER_UNIT, approval="required"),  # and no one was asked
        push(1, "run-5", contract=OTHER_UNIT, least_app_version=1, push="even if no better"),
    ):
        assert (said["outcome"], said["pushed_version"]) == ("refused", None)
        assert said["reason"].startswith("refused: first version of your app for a contract other than release 1's (")
        assert 'unit "percent" instead of "grey level' in said["reason"] and "expected >= 2" in said["reason"]
    assert releases.versions() == [1]
    look = push(1, "look", contract=OTHER_UNIT, push="dry run")["reason"]
    assert look.startswith("dry run: refused: first version of your app")
    # Of the same data and code, and not compared with release 1: it is no such thing.
    assert push(0, "run-6", contract=OTHER_UNIT, least_app_version=2, measurements=MADE_OF)["pushed_version"] == "2"
    manifest = releases.release(2).manifest
    assert (manifest.least_app_version, manifest.app_contract) == (2, OTHER_UNIT)
    assert (manifest.anchor, manifest.next_anchor) == (None, 2)


def test_the_least_app_version_never_falls_and_may_be_raised_without_a_change(
    push: Callable[..., Pushed], releases: Releases
) -> None:
    push(0, "run-1", least_app_version=3)
    push(1, "run-2")
    push(2, "run-3", least_app_version=2)
    push(3, "run-4", least_app_version=5)
    assert [releases.release(version).manifest.least_app_version for version in (1, 2, 3, 4)] == [3, 3, 3, 5]


def test_a_rollback_across_a_change_is_not_undone_by_a_run_that_waited_for_its_approval(
    push: Callable[..., Pushed], releases: Releases
) -> None:
    push(0, "run-1")
    push(1, "run-2", contract=OTHER_UNIT, least_app_version=2)
    releases.rollback(1, who="ann", why="the app is not out yet")
    said = push(2, "run-3", contract=OTHER_UNIT, approval="required", record=record("approved"))
    assert (said["outcome"], releases.latest_version()) == ("refused", 1)
    assert "contract other than release 1's" in said["reason"]
    assert push(3, "run-4", contract=OTHER_UNIT, least_app_version=2)["outcome"] == "released"
    assert releases.release(3).manifest.anchor is None


def test_a_release_is_signed_and_one_that_readers_would_refuse_is_not_made(
    push: Callable[..., Pushed], releases: Releases, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    keys, others = make_keys(tmp_path, "ours"), make_keys(tmp_path, "theirs")
    monkeypatch.setenv("NIGHTLITE_SIGNING_KEY", str(keys[0]))
    push(0, "run-1")
    assert releases.release(1).is_signed
    monkeypatch.setenv("NIGHTLITE_VERIFYING_KEY", str(others[1]))
    forget_settings()
    with pytest.raises(ReleaseError, match="[Dd]o not use this release"):
        push(1, "run-2")
    assert (releases.versions(), releases.latest_version()) == ([1], 1)


def record(decision: Any, user: str | None = "ann") -> str:
    return Approval(decision=decision, user=user, at=datetime(2026, 11, 24, 3, tzinfo=UTC)).model_dump_json()


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("", "not pushed: approval is required, and no one was asked"),
        (record("rejected"), "not pushed: rejected by ann, 2026-11-24 03:00 UTC"),
        (record("timed out", None), "not pushed: no one approved it until 2026-11-24 03:00 UTC"),
    ],
)
def test_without_the_approval_that_a_run_requires_nothing_is_pushed(
    push: Callable[..., Pushed], releases: Releases, said: str, why: str
) -> None:
    push(0, "run-1")
    pushed = push(1, "run-2", approval="required", record=said)
    assert (pushed["outcome"], pushed["reason"]) == ("not_approved", why)
    assert releases.versions() == [1]


def test_an_approved_release_says_who_approved_it_and_when(push: Callable[..., Pushed], releases: Releases) -> None:
    push(0, "run-1", approval="required", record=record("approved"))
    approval = releases.release(1).manifest.approval
    assert str(approval) == "approved by ann, 2026-11-24 03:00 UTC"


def test_a_record_that_is_none_is_refused(push: Callable[..., Pushed], releases: Releases) -> None:
    with pytest.raises(NodeRequestError, match="approval_record: expected JSON of an approval .*Received: 'yes'"):
        push(0, "run-1", approval="required", record="yes")
    assert releases.versions() == []
