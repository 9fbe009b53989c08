"""The check of all settings before a start, and that it knows each that this project names."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from nightlite.deployment.models import models
from nightlite.deployment.setting_check import (
    beam_args_without_nodes,
    check_settings,
    known_variables,
    refuse_unknown_variables,
)
from nightlite.deployment.settings import Settings
from nightlite.errors import SettingsError
from nightlite.runner.compiled_pipeline import CompiledPipeline
from nightlite.runner.settings import BeamArguments
from nightlite.settings import read_variables

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def only_these_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("NIGHTLITE_"):
            monkeypatch.delenv(name)


def test_a_misspelt_name_is_refused_with_the_right_one_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTLITE_MNIST_MIN_ACURACY", "a-secret")
    with pytest.raises(SettingsError, match=r"^Did you mean NIGHTLITE_MNIST_MIN_ACCURACY\? ") as refusal:
        check_settings(Settings())
    assert str(refusal.value).endswith("Received: NIGHTLITE_MNIST_MIN_ACURACY")
    assert "a-secret" not in str(refusal.value)


def test_a_name_like_no_other_is_refused_too_and_others_variables_are_not() -> None:
    with pytest.raises(SettingsError, match="^Expected only variables .* Received: NIGHTLITE_QQQQ$"):
        refuse_unknown_variables({"NIGHTLITE_QQQQ": "", "NIGHTLITE": "no setting of ours"})
    others = (
        "NIGHTLITE_PORT",
        "NIGHTLITE_TEST_ANYTHING",
        "NIGHT_LITE",
        "NIGHT_PORT",
        "TFLITE_PORT",
        "PORT",
        "no_proxy",
    )
    refuse_unknown_variables(dict.fromkeys(others, "1"))


@pytest.mark.parametrize(
    "name", ["nightlite_portt", "nightlite_port", "Nightlite_PORT", "NIGHTLIT_PORT", "NIGTHLITE_PORT"]
)
def test_a_name_in_small_letters_or_with_a_misspelt_prefix_is_refused_with_the_right_one(name: str) -> None:
    with pytest.raises(SettingsError, match=rf"^Did you mean NIGHTLITE_PORT\? .* Received: {name}$"):
        refuse_unknown_variables({name: "1"})


def test_a_parameter_that_only_runs_set_is_refused_with_how_to_set_it() -> None:
    with pytest.raises(
        SettingsError,
        match=r"Received: NIGHTLITE_MNIST_BATCH_SIZE; set it .*'nightlite trigger --model NAME --param "
        r"batch_size=VALUE'$",
    ):
        refuse_unknown_variables({"NIGHTLITE_MNIST_BATCH_SIZE": "64", "NIGHTLITE_QQQQ": "1"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MNIST_MIN_ACCURACY", "7"),
        ("NOTIFY_ON", "abc"),
        ("NOTIFY_URLS", "nobody"),
        ("WATCHDOG_HOUR", "24"),
        ("NOTIFY_URLS_FILE", "/nowhere/urls"),
        ("URL", "ftp://airflow"),
        ("EXECUTOR", "CeleryExecuter"),
        ("PAUSED", "perhaps"),
        ("SIGNING_KEY", "/nowhere/key.pem"),
        ("METADATA_URL", "postgresql://x"),
        ("TIMEZONE", "Mars/Olympus"),
    ],
)
def test_a_wrong_value_of_any_kind_is_one_sentence_that_names_its_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"NIGHTLITE_{name}", value)
    with pytest.raises(SettingsError, match=f"^NIGHTLITE_{name}: [^\n]*$"):
        check_settings(read_variables(Settings))


def test_where_the_files_are_not_mounted_they_are_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SIGNING_KEY", "VERIFYING_KEY", "NOTIFY_URLS_FILE"):
        monkeypatch.setenv(f"NIGHTLITE_{name}", "/keys/in-another-container")
    check_settings(Settings(), with_files=False)


def test_a_pattern_of_beams_arguments_that_no_node_has_is_told(tmp_path: Path, pipeline: CompiledPipeline) -> None:
    entries = [BeamArguments(nodes=nodes, args=()) for nodes in ("Trainer.*", "*", "ExampleGenn")]
    config = Settings(compiled_dir=tmp_path, beam_args=tuple(entries))
    assert beam_args_without_nodes(config) == []  # nothing is compiled yet
    for model in models().values():
        pipeline.write(config.compiled_file(model))
    assert beam_args_without_nodes(config) == [
        "Did you mean ExampleGen? NIGHTLITE_BEAM_ARGS: entry 3: nodes: expected a pattern that matches a node of a "
        "model's pipeline (ExampleGen, latest, Trainer.mnist, Trainer.lite, Pusher). Received: 'ExampleGenn'"
    ]
    assert beam_args_without_nodes(Settings(compiled_dir=tmp_path)) == []


def test_every_variable_that_is_named_anywhere_is_known() -> None:
    """In code, tests, Makefile, Compose's files, the image and the docs."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    here = Path(__file__)
    named: set[str] = set()
    for path in (PROJECT / name for name in listed.split("\0") if name):
        if path.is_file() and path != here and path.suffix not in (".png", ".gz"):
            named |= set(re.findall(r"NIGHTLITE_[A-Z0-9_]*[A-Z0-9]\b", path.read_text(errors="replace")))
    named = {name for name in named if not name.startswith("NIGHTLITE_TEST_")}
    assert named - known_variables() == set()
    assert len(named) > 60
