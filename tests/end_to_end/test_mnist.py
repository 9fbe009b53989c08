"""The real pipeline under the real Airflow: refused, then pushed, then answered from cache."""

import json
import re
from pathlib import Path
from urllib.parse import quote, unquote

import httpx
import pytest

from models.mnist.on_device import MODEL
from nightlite.deployment.local.demo import demo
from nightlite.ondevice.releases.store import Releases
from nightlite.ondevice.results.node_facts import facts_of
from nightlite.ondevice.results.outcome import Outcome
from tests.end_to_end.conftest import CONSUMER, Deployment, FinishedRun

ACCURACY = "sparse_categorical_accuracy"


@pytest.fixture(scope="module")
def refused(deployment: Deployment) -> FinishedRun:
    """Return the first run, with a threshold that nothing meets."""
    return deployment.run(min_accuracy=1.01)


@pytest.fixture(scope="module")
def pushed(deployment: Deployment, refused: FinishedRun) -> FinishedRun:
    """Return the second run, with the nightly run's own thresholds."""
    assert refused.state == "success"
    return deployment.run()


def releases(deployment: Deployment) -> Releases:
    return Releases(deployment.folders.releases)


def test_an_impossible_threshold_skips_what_releases_and_marks_the_run(
    deployment: Deployment, refused: FinishedRun
) -> None:
    states = refused.states()
    skipped = {"Approval.mnist_lite", "Pusher.mnist_lite", "OutcomeReport"}
    assert {states.pop(task_id) for task_id in skipped} == {"skipped"}
    assert set(states.values()) == {"success"}, states
    assert refused.result("Evaluator.mnist_lite").blessed is False
    assert "expected >= 1.01" in facts_of(refused.result("Evaluator.mnist_lite")).refusals[0]
    assert refused.result("EdgeValidator").blessed is False
    named = [f"{node_id}: accuracy" for node_id in ("Evaluator.mnist", "Evaluator.mnist_lite")]
    assert [
        refusal.split(":")[0] + ": accuracy" for refusal in facts_of(refused.result("EdgeValidator")).refusals
    ] == named
    [verdict] = [line for line in deployment.log(refused, "EdgeValidator") if "NOT blessed" in line]
    assert "(min_accuracy)" in verdict
    assert refused.result("Pusher.mnist_lite").reason == "not pushed: the model is not blessed"
    assert refused.run_id not in {event.why.removeprefix("run ") for event in releases(deployment).history()}


def test_a_blessed_model_is_released_with_all_that_its_manifest_tells(
    deployment: Deployment, refused: FinishedRun, pushed: FinishedRun
) -> None:
    states = pushed.states()
    assert states.pop("Approval.mnist_lite") == "skipped"  # no one was asked
    assert set(states.values()) == {"success"}, states
    [model] = pushed.result("Trainer.mnist_lite").outputs["model"]
    found = releases(deployment).latest_model()
    assert found
    release, content = found
    assert content == (Path(model.uri) / "Format-Serving" / "tflite").read_bytes()
    release.verify()
    assert set(release.manifest.files) == {"golden.json", "model_card.md"}
    golden = release.golden()
    assert golden and {example.label for example in golden.examples} == set(release.manifest.labels)
    pusher, said = pushed.result("Pusher.mnist_lite"), release.manifest
    assert (facts_of(pusher).pushed_to, facts_of(pusher).pushed_version) == (str(release.folder), "1")
    assert (said.run_id, said.model_artifact_id, said.execution_id) == (pushed.run_id, model.id, pusher.execution_id)
    assert said.span == 1
    assert said.metrics.items() >= facts_of(pushed.result("Evaluator.mnist_lite")).metrics.items()
    assert set(said.versions) == {"tfx", "tensorflow", "ai-edge-litert"}
    assert [(tensor.name, tensor.shape) for tensor in said.inputs] == [("image_floats", (1, 784))]
    assert (len(said.labels), said.outputs[0].shape, said.outputs[0].dtype) == (10, (1, 10), "float32")
    assert said.artifact_ids["ImportExampleGen.examples"] == pushed.result("ImportExampleGen").outputs["examples"][0].id


def test_the_asset_is_told_of_the_release_and_its_consumer_runs(deployment: Deployment, pushed: FinishedRun) -> None:
    release = releases(deployment).latest()
    assert release
    [extra] = deployment.asset_events()
    assert (extra["version"], extra["sha256"]) == (release.version, release.manifest.sha256)
    assert extra["metrics"] == release.manifest.metrics
    run = deployment.only_run(CONSUMER)
    assert (run.state, run.states()) == ("success", {"verify": "success", "try_out": "success"})
    assert any("of 10 digits right" in line for line in deployment.log(run, "try_out", CONSUMER))


def test_predict_reads_digits_of_any_size_and_colour(
    deployment: Deployment, pushed: FinishedRun, tmp_path: Path
) -> None:
    deployment.tfx("tests.pipelines.drawn_digits", str(tmp_path))
    pictures = sorted(map(str, tmp_path.glob("*.*")))
    # 3: not sure of one, which counts as wrong
    said = deployment.tfx("models.mnist.predict.commands", "predict", "--json", *pictures, ok=(0, 3))
    answers = [json.loads(line) for line in said.splitlines()]
    right = [answer["digit"] == Path(answer["image"]).name[0] for answer in answers]
    assert len(right) == 360
    # TFMA says 0.99 of the same 360 digits as they are in the examples; 7 more may go wrong.
    assert sum(right) / len(right) >= 0.97


def test_a_release_and_a_refused_run_are_compared_on_their_data(
    deployment: Deployment, refused: FinishedRun, pushed: FinishedRun
) -> None:
    said = deployment.tfx("nightlite.deployment.cli", "compare", "latest", refused.run_id, "--model", "mnist", "--json")
    found = json.loads(said)
    # The refused run's model is the released one: nothing but its bound was another.
    assert found["verdict"] == "A and B are the very same file" and found["differing"] == 0
    assert found["b"]["parameters"]["min_accuracy"] == 1.01 and found["note"] == ""
    measured = releases(deployment).latest()
    assert measured and found["figures"][0]["b"] == pytest.approx(measured.manifest.metrics["accuracy"])


def test_both_models_are_evaluated_alike_and_agree(pushed: FinishedRun) -> None:
    keras, tflite = (pushed.result(f"Evaluator.{name}") for name in ("mnist", "mnist_lite"))
    assert keras.outputs.keys() == tflite.outputs.keys()
    of_keras, of_tflite = facts_of(keras).metrics, facts_of(tflite).metrics
    assert of_keras.keys() == of_tflite.keys()
    assert of_tflite[ACCURACY] >= 0.98
    assert abs(of_tflite[ACCURACY] - of_keras[ACCURACY]) <= 0.001


def test_what_did_not_change_was_answered_from_cache_and_says_so(
    deployment: Deployment, refused: FinishedRun, pushed: FinishedRun
) -> None:
    states = {task_id: result.state for task_id, result in pushed.results.items() if result}
    for task_id in ("ImportExampleGen", "Transform", "Trainer.mnist", "Trainer.mnist_lite"):
        assert states[task_id] == "cached"
    assert states["Evaluator.mnist_lite"] == "succeeded"
    assert any("answered from cache" in line for line in deployment.log(pushed, "Trainer.mnist"))
    assert pushed.result("Trainer.mnist").outputs == refused.result("Trainer.mnist").outputs


def test_the_demo_of_what_is_known_makes_no_second_release_and_says_so(
    deployment: Deployment, pushed: FinishedRun, capfd: pytest.CaptureFixture[str]
) -> None:
    assert demo(deployment.settings, MODEL, "digits") == Outcome.released.exit_code
    said = capfd.readouterr().out
    assert "already holds exactly these" in said
    assert "Trainer.mnist_lite: cached" in said
    assert "Pusher.mnist_lite: skipped" in said
    assert "Release: nothing new: release 1 is this very file already" in said
    assert "every gate was passed" in said
    assert releases(deployment).versions() == [1]
    assert len(deployment.asset_events()) == 1
    # It was held to the release before it: the same model, found by the Resolver in the warm server.
    run_id = unquote(re.findall(r"/runs/([^/\s]+)", said)[0])
    released = deployment.rest.node_result("mnist_tflite", run_id, "Resolver.released")
    assert released and released.outputs["model"] == pushed.result("Trainer.mnist_lite").outputs["model"]


def test_each_run_has_a_report_that_airflow_serves_to_logged_in_users(
    deployment: Deployment, refused: FinishedRun, pushed: FinishedRun
) -> None:
    for run, blessed, headline in ((refused, False, "Refused by "), (pushed, True, "Released as 1")):
        assert Path(facts_of(run.result("OutcomeReport")).report or "").is_file()
        url = f"{deployment.airflow.url}/nightlite/dags/mnist_tflite/runs/{quote(run.run_id, safe='')}/report.json"
        assert httpx.get(url, timeout=60).status_code == 401
        report = deployment.rest.http.get(url).json()
        assert (report["run_id"], report["blessed"]) == (run.run_id, blessed)
        assert report["outcome"]["headline"].startswith(headline)
        assert str(run.result("OutcomeReport").reason).startswith(headline)
        assert report["history"][-1]["run_id"] == run.run_id
