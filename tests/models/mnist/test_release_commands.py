"""`nightlite models` and `nightlite predict`, each in a process of its own, on releases of a tiny TFLite file."""

import importlib
import json
import math
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from models.mnist.model.features import LABELS
from models.mnist.on_device import MODEL
from models.mnist.predict import try_release
from nightlite.deployment.settings import Settings
from nightlite.ondevice.contract.golden import GOLDEN_FILE, Golden, GoldenExample, numbers
from nightlite.ondevice.releases.manifest import sha256_of
from nightlite.ondevice.releases.store import Releases
from nightlite.ondevice.rollout.plan import Plan
from nightlite.paths import PROJECT
from tests.help_texts import broken_paragraphs, help_of
from tests.ondevice.releases.made_releases import describe
from tests.pipelines.tiny_tflite import sure_of

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("models")
    return [sure_of(digit, folder) for digit in range(3)]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a command line as `nightlite` does once it is in the right environment."""

    def command(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        module = (
            "models.mnist.predict.commands"
            if arguments[0] == "predict"
            else "nightlite.deployment.in_tfx.releases_commands"
        )
        env = {
            **os.environ,
            "NIGHTLITE_VAR_DIR": str(tmp_path),
            "PYTHONPATH": str(PROJECT),
            "COLUMNS": "160",
        } | variables
        which = ["--model=mnist"] if arguments[0] == "models" else []
        return subprocess.run(
            [sys.executable, "-m", module, *arguments, *which], env=env, check=False, capture_output=True, text=True
        )

    return command


@pytest.fixture
def released(tmp_path: Path, tiny_models: list[Path]) -> Releases:
    releases = Releases(tmp_path / "mnist" / "releases")
    for number, model in enumerate(tiny_models):
        releases.push(model, describe(f"run-{number}", LABELS), who="Pusher")
    return releases


@pytest.fixture
def picture(tmp_path: Path) -> str:
    image = Image.new("L", (80, 80), 255)
    ImageDraw.Draw(image).ellipse([20, 10, 60, 70], outline=0, width=6)
    image.save(tmp_path / "zero.png")
    return str(tmp_path / "zero.png")


def test_predict_asks_the_latest_release_and_draws_the_picture(run: Run, released: Releases, picture: str) -> None:
    done = run("predict", picture)
    assert done.returncode == 0, done.stderr
    assert "zero.png: 2 (release 3)" in done.stdout
    assert "█" in done.stdout and "99.89 %" in done.stdout
    assert done.stderr == ""


def test_each_picture_has_its_line_and_the_exit_code_says_the_worst(
    run: Run, released: Releases, picture: str, tmp_path: Path
) -> None:
    blank, text = str(tmp_path / "blank.png"), str(tmp_path / "text.png")
    Image.new("L", (80, 80), 255).save(blank)
    Path(text).write_text("no picture")
    done = run("predict", picture, blank, picture)
    assert done.returncode == 3
    assert done.stdout.count("zero.png: 2 (release 3)") == 2
    assert "blank.png: not sure: nothing stands out\n" in done.stdout
    done = run("predict", picture, text, blank, "--json")
    assert (done.returncode, done.stderr) == (1, "")
    zero, unreadable, unclear = map(json.loads, done.stdout.splitlines())
    assert (zero["image"], zero["digit"], zero["release"]) == (picture, "2", 3)
    assert (unreadable["image"], unreadable["digit"]) == (text, None)
    assert "expected a PNG or JPEG file" in unreadable["error"]
    assert unclear == {"image": blank, "digit": None, "not_sure": "nothing stands out"}
    done = run("predict", text, picture)
    assert (done.returncode, "zero.png: 2" in done.stdout) == (1, True)
    assert done.stderr.startswith(f"nightlite: {text}: expected a PNG or JPEG file")


def test_after_a_rollback_predict_asks_the_other_release(run: Run, released: Releases, picture: str) -> None:
    done = run("models", "rollback", "1", "--reason", "two is no digit", "--who", "ann")
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 1), done.stderr
    answer = json.loads(run("predict", picture, "--json").stdout)
    assert (answer["digit"], answer["release"]) == ("0", 1)
    assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert json.loads(run("predict", picture, "--json", "--version", "2").stdout)["digit"] == "1"
    history = run("models", "list", "--history").stdout
    assert "rollback" in history and "ann" in history and "two is no digit" in history


def test_a_release_is_halted_and_rolled_out_again(run: Run, tmp_path: Path, tiny_models: list[Path]) -> None:
    releases = Releases(tmp_path / "mnist" / "releases")
    for number, model in enumerate(tiny_models):
        releases.push(model, describe(f"run-{number}", LABELS), who="Pusher", plan=Plan((100,)))
    steps = {"NIGHTLITE_MNIST_ROLLOUT": "10"}
    listed = run("models", "list", **steps).stdout
    assert "10 % of stable" in listed and "90 % of stable" in listed and "waits for stable" in listed
    assert "Release 2 goes to all phones with the feed's first renewal after" in listed
    done = run("models", "halt", "2", "--reason", "crashes", "--who", "ann", **steps)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[:3] == [
        "release 2 is withdrawn, and no run pushes its file again",
        "release 3: all of beta, waits for stable",
        "release 1: all of stable",
    ]
    assert "Release 3 goes to 10 % of stable with" in done.stdout and "rollback --model mnist 1" in done.stdout
    assert "│ none" in run("models", "show", "2").stdout
    done = run("models", "rollout", "2", "--percent", "2.5")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "release 3: all of beta, waits for stable",
        "release 2: 2.5 % of stable",
        "release 1: 97.5 % of stable",
        "Release 2 stays at 2.5 % until someone changes that.",
    ]
    assert "rollout, 2.5 %" in run("models", "list", "--history").stdout
    again = run("models", "rollout", "2", "--percent", "1")
    assert (again.returncode, again.stdout) == (1, "") and "a share only grows" in again.stderr
    assert run("models", "halt", "9", "--reason", "none").returncode == 2


def test_a_rollback_across_a_change_of_the_contract_names_it(
    run: Run, released: Releases, tiny_models: list[Path]
) -> None:
    changed = tuple(item.model_copy(update={"name": "pixels"}) for item in describe("").inputs)
    description = describe("changed", LABELS).model_copy(update={"inputs": changed, "least_app_version": 2})
    push = released.push(released.folder / "1" / "model.tflite", description, who="Pusher")
    assert "least app version │ 2" in run("models", "show").stdout
    done = run("models", "rollback", "1", "--reason", "the app is not out yet")
    line, said = done.stdout.splitlines()
    assert line.startswith("latest is release 1 now")
    assert said.startswith(
        f"Its contract is another than release {push.release.version}'s (input pixels is gone; input image_floats is "
        "new): an app made for that one must not use it"
    )


def test_the_releases_are_listed_shown_verified_pruned_and_exported(
    run: Run, released: Releases, tmp_path: Path
) -> None:
    assert "→   3" in run("models", "list").stdout
    assert json.loads(run("models", "show", "--json").stdout)["version"] == 3
    assert "image_floats: float32 [1, 784]" in run("models", "show", "1").stdout
    verified = run("models", "verify", "--all")
    assert verified.returncode == 0
    assert verified.stdout.count("not signed: NIGHTLITE_SIGNING_KEY names no key") == 3
    assert run("models", "prune", "--keep", "2").stdout == "pruned: 1; left: 2, 3\n"
    assert run("models", "export", str(tmp_path / "app")).returncode == 0
    exported = (tmp_path / "app" / "model.tflite").read_bytes()
    assert exported == (released.folder / "latest" / "model.tflite").read_bytes()


def test_a_damaged_release_is_not_verified_and_not_used(run: Run, released: Releases, picture: str) -> None:
    with (released.folder / "3" / "model.tflite").open("ab") as file:
        file.write(b" ")
    verified = run("models", "verify", "--all")
    assert verified.returncode == 1
    assert "release 3: BAD" in verified.stderr and "release 2:" in verified.stdout
    assert "`latest` points to it: roll back to another release" in verified.stderr
    for arguments in (["predict", picture], ["models", "verify"]):
        done = run(*arguments)
        assert (done.returncode, "Traceback" in done.stderr) == (1, False)
        assert "expected sha256" in done.stderr


@pytest.fixture
def proven(tmp_path: Path, tiny_models: list[Path]) -> Releases:
    """Return two releases: 1, whose file owes its golden examples another answer, and 2, the latest, which is good."""
    releases = Releases(tmp_path / "mnist" / "releases")
    for number, (model, owed) in enumerate(((tiny_models[0], 1), (tiny_models[2], 2)), start=1):
        made = golden_of(model, sure_outputs(owed))
        releases.push(model, describe(f"run-{number}", LABELS), who="Pusher", documents=lambda _, made=made: made)
    return releases


def sure_outputs(digit: int) -> list[float]:
    scores = [math.exp(9 * (number == digit)) for number in range(10)]
    return [score / sum(scores) for score in scores]


def golden_of(model: Path, outputs: list[float]) -> dict[str, bytes]:
    examples = [
        GoldenExample(label=label, inputs={"image_floats": numbers([0.5] * 784)}, outputs={"probabilities": outputs})
        for label in LABELS
    ]
    golden = Golden(sha256=sha256_of(model), tolerance=1e-5, examples=tuple(examples))
    return {GOLDEN_FILE: golden.model_dump_json().encode()}


def test_golden_examples_are_verified_exported_and_asked_before_a_prediction(
    run: Run, proven: Releases, picture: str, tmp_path: Path
) -> None:
    verified = run("models", "verify")
    assert verified.returncode == 0, verified.stderr
    assert re.search(
        r"10 of 10 golden examples agree \(largest difference [0-9.e-]+, tolerance 1e-05\)", verified.stdout
    )
    assert json.loads(run("predict", picture, "--json").stdout)["digit"] == "2"
    assert run("models", "export", str(tmp_path / "app")).returncode == 0
    exported = (tmp_path / "app" / GOLDEN_FILE).read_bytes()
    assert exported == (proven.folder / "2" / GOLDEN_FILE).read_bytes()


def test_a_release_whose_golden_examples_disagree_is_not_used(
    run: Run, proven: Releases, picture: str, tmp_path: Path
) -> None:
    why = "expected all golden examples of release 1 to agree. Received: 0 of 10 golden examples agree"
    for arguments in (
        ["models", "verify", "1"],
        ["predict", picture, "--version", "1"],
        ["models", "rollback", "1", "--reason", "x"],
        ["models", "export", str(tmp_path / "app"), "--version", "1"],
    ):
        done = run(*arguments)
        assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr
        assert why in done.stderr
    assert proven.latest_version() == 2 and not (tmp_path / "app").exists()


def test_golden_examples_that_were_changed_are_refused(run: Run, proven: Releases, picture: str) -> None:
    file = proven.folder / "2" / GOLDEN_FILE
    file.write_text(file.read_text().replace("0.5", "0.4", 1))
    for arguments in (["models", "verify"], ["predict", picture]):
        done = run(*arguments)
        assert (done.returncode, f"{GOLDEN_FILE}: expected sha256" in done.stderr) == (1, True), done.stderr


def test_a_release_from_before_golden_examples_is_said_to_be_one(run: Run, released: Releases) -> None:
    done = run("models", "verify", "1")
    assert (done.returncode, "no golden examples: made before them" in done.stdout) == (0, True)


def test_one_clear_sentence_where_there_is_nothing_to_do(run: Run, tmp_path: Path, picture: str) -> None:
    (tmp_path / "notes.txt").write_text("no picture")
    for arguments, code, said in (
        (["predict", picture], 1, "no release yet"),
        (["models", "show"], 1, "no release yet"),
        (["predict", str(tmp_path / "notes.txt")], 1, "expected a PNG or JPEG file"),
        (["models", "rollback", "3", "--reason", "x"], 2, "expected one of the versions there are (none). Received: 3"),
        (["predict", picture, "--version", "3"], 2, "expected one of the versions there are (none). Received: 3"),
    ):
        done = run(*arguments)
        assert (done.returncode, done.stdout) == (code, ""), arguments
        assert said in done.stderr and len(done.stderr.splitlines()) == 1, done.stderr
    done = run("models", "list")
    assert (done.returncode, "no release yet" in done.stdout) == (0, True)


def test_a_broken_history_is_one_sentence(run: Run, released: Releases) -> None:
    with (released.folder / "history.jsonl").open("ab") as file:
        file.write(b"\xff\n")
    for arguments in (["models", "list"], ["models", "list", "--history"]):
        done = run(*arguments)
        assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr
        assert "history.jsonl, line 4: not an event" in done.stderr


def test_a_release_that_is_not_the_announced_file_is_not_tried(
    released: Releases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(try_release, "settings", lambda: Settings(var_dir=tmp_path))
    assert try_release.main(3, "0" * 64) == 1
    assert f"expected the file {'0' * 64}. Received: " in capsys.readouterr().err
    assert try_release.main(3, released.release(3).manifest.sha256) == 0


def test_a_reader_with_a_key_refuses_what_is_not_signed(
    run: Run, released: Releases, tmp_path: Path, picture: str
) -> None:
    key = tmp_path / "key.pem"
    key.write_text("")
    for arguments in (
        ["predict", picture],
        ["models", "verify"],
        ["models", "rollback", "1", "--reason", "x"],
        ["models", "export", str(tmp_path / "app")],
    ):
        done = run(*arguments, NIGHTLITE_VERIFYING_KEY=str(key))
        assert done.returncode == 1
        assert "is not signed" in done.stderr, done.stderr
    assert released.latest_version() == 3
    assert not (tmp_path / "app").exists()


def test_the_model_declares_its_command_and_its_help_flows() -> None:
    app = importlib.import_module(MODEL.predict).app
    assert " predict [OPTIONS] " in help_of(app, "predict")
    assert broken_paragraphs(app) == []
