from pathlib import Path

import pytest

from models.mnist.on_device import MODEL
from nightlite.deployment.local.components import settings_environment
from nightlite.deployment.settings import settings
from nightlite.errors import SettingsError
from nightlite.ondevice.rollout.plan import AT_ONCE, Plan
from nightlite.ondevice.run_parameters import run_params
from nightlite.ondevice.settings import model_settings, rollout_plan, run_defaults
from nightlite.paths import runtime_dir
from nightlite.settings import forget_settings


@pytest.fixture
def read(monkeypatch):
    def with_variables(**variables):
        for name, value in variables.items():
            monkeypatch.setenv(f"NIGHTLITE_{name.upper()}", value)
        forget_settings()
        return settings()

    yield with_variables
    forget_settings()


def test_everything_hangs_on_var_dir(read, tmp_path):
    of = read(var_dir=str(tmp_path))
    assert of.compiled_file(MODEL) == tmp_path / "compiled" / "mnist_tflite.json"
    assert of.folders(MODEL.name).releases == tmp_path / "mnist" / "releases"
    assert of.mlmd_url == f"sqlite:///{tmp_path}/metadata/mlmd.sqlite"


def test_relative_paths_become_absolute_without_following_links(read, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "python").symlink_to("/bin/sh")
    assert read(tfx_python="python", var_dir="state").tfx_python == tmp_path / "python"
    assert settings().var_dir == tmp_path / "state"


def test_a_file_that_is_named_by_nothing_is_none(read):
    of = read(signing_key="", verifying_key="")
    assert (of.signing_key, of.verifying_key) == (None, None)
    assert not of.signs and of.mlmd_url.startswith("sqlite:///")


def test_the_compiled_file_may_lie_elsewhere(read):
    assert read(compiled_dir="/elsewhere").compiled_file(MODEL) == Path("/elsewhere/mnist_tflite.json")


@pytest.mark.parametrize(("name", "value"), [("runtime", "tepid"), ("keep_releases", "0"), ("port", "x")])
def test_a_wrong_value_is_one_sentence_that_names_the_variable(read, name, value):
    with pytest.raises(SettingsError, match=f"^NIGHTLITE_{name.upper()}: .* Received: '{value}'$"):
        read(**{name: value})


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("--runner=DirectRunner", r"expected a JSON list: \[{.*Received: '--runner=DirectRunner'"),
        ('{"nodes": "*", "args": []}', "expected a list. Received: {'nodes'"),
        ('[{"nodes": "*", "args": []}, {"nodes": "*"}]', "entry 2: args: expected a value. Received: {'nodes'"),
        ('[{"nodes": "*", "args": "--runner=x"}]', "entry 1: args: expected a list. Received: '--runner=x'"),
        ('[{"nodes": "*", "args": [], "above_mib": -1}]', "entry 1: above_mib: expected 0 or more. Received: -1"),
        ('[{"nodes": "*", "args": [], "above": 1}]', "entry 1: above: expected no such field. Received: 1"),
        ('[{"node": "*", "args": []}]', "entry 1: node: expected no such field. Received: '\\*'"),
    ],
)
def test_a_wrong_entry_of_beams_arguments_is_named(read, value, words):
    with pytest.raises(SettingsError, match=f"^NIGHTLITE_BEAM_ARGS: {words}"):
        read(beam_args=value)


def test_beams_arguments_are_entries_and_an_empty_variable_is_none(read):
    [entry] = read(beam_args='[{"nodes": "Evaluator.*", "args": ["--runner=x"]}]').beam_args
    assert (entry.nodes, entry.above_mib, entry.args) == ("Evaluator.*", 0, ("--runner=x",))
    assert read(beam_args="").beam_args == ()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql://airflow:secret@db/mlmd", "PostgreSQL is refused"),
        ("postgresql+psycopg2://airflow:secret@db/mlmd", "mixes up cached artifacts"),
        ("mysql://db/", "expected .* or mysql://user:password@host"),
        ("mysql://me:secret@db:port/mlmd", "expected .* or mysql://user:password@host"),
        ("sqlite:relative.sqlite", "expected sqlite:////folder/file or"),
        ("oracle://x:secret@y/z", "expected sqlite:.* Received: what may hold a secret"),
        ("nonsense", "Received: 'nonsense'"),
    ],
)
def test_another_store_is_refused_in_one_sentence_without_its_password(read, url, words):
    with pytest.raises(SettingsError, match=f"^NIGHTLITE_METADATA_URL: .*{words}") as refusal:
        read(metadata_url=url)
    assert ":secret@" not in str(refusal.value)
    for usable in ("sqlite:////folder/file", "mysql://user@host/mlmd", "mariadb+x://user:p%2Fw@host:3307/mlmd"):
        assert read(metadata_url=usable).mlmd_url == usable


def test_a_deployment_sets_the_run_parameters_defaults(monkeypatch):
    assert run_defaults(MODEL) == {}
    monkeypatch.setenv("NIGHTLITE_MNIST_MIN_ACCURACY", "0.95")
    monkeypatch.setenv("NIGHTLITE_MNIST_EPOCHS", "3")
    monkeypatch.setenv("NIGHTLITE_MNIST_" + "SEED", "3")  # the model's, which no deployment sets
    assert run_defaults(MODEL) == {"epochs": 3, "min_accuracy": 0.95}
    monkeypatch.setenv("NIGHTLITE_MNIST_EPOCHS", "501")
    with pytest.raises(SettingsError, match="^NIGHTLITE_MNIST_EPOCHS: expected 500 or less. Received: '501'$"):
        run_defaults(MODEL)


def test_sockets_and_temporary_files_may_lie_apart_from_the_state(tmp_path):
    state, own = str(tmp_path / "state"), str(tmp_path / "own")
    assert runtime_dir({"NIGHTLITE_VAR_DIR": state}) == tmp_path / "state"
    assert runtime_dir({"NIGHTLITE_VAR_DIR": state, "NIGHTLITE_RUNTIME_DIR": own}) == tmp_path / "own"


def test_an_empty_path_is_the_default_and_not_the_folder_of_the_caller(read, tmp_path):
    names = ("var_dir", "tfx_python", "compiled_dir", "schema_dir")
    assert read(**dict.fromkeys(names, "")) == read()


def test_a_model_has_variables_of_its_own_over_what_it_declares(monkeypatch):
    own = MODEL.model_copy(update={"schedule": "@weekly", "gate_bounds": {"min_accuracy": 0.5}})
    assert model_settings(own).schedule == "@weekly"
    assert run_params(own)().min_accuracy == 0.5
    monkeypatch.setenv("NIGHTLITE_" + "SCHEDULE", "@yearly")  # no model of that name
    monkeypatch.setenv("NIGHTLITE_MNIST_SCHEDULE", "")
    monkeypatch.setenv("NIGHTLITE_MNIST_APPROVAL_HOURS", "3")
    found = model_settings(own)
    assert (found.schedule, found.approval_hours) == ("", 3)
    assert model_settings(own.model_copy(update={"name": "other"})).schedule == "@weekly"


def test_a_model_has_a_plan_of_its_own_for_its_roll_outs(monkeypatch):
    assert rollout_plan("mnist") == AT_ONCE
    monkeypatch.setenv("NIGHTLITE_MNIST_ROLLOUT", "10,50")
    monkeypatch.setenv("NIGHTLITE_MNIST_ROLLOUT_OVERLAP", "replace")
    assert (rollout_plan("mnist"), rollout_plan("other")) == (Plan((100, 500), "replace"), AT_ONCE)
    monkeypatch.setenv("NIGHTLITE_MNIST_ROLLOUT", "50,10")
    with pytest.raises(SettingsError, match="NIGHTLITE_MNIST_ROLLOUT: expected growing percents .* Received: '50,10'"):
        rollout_plan("mnist")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("EPOCHS", "abc", "expected a whole number"),
        ("EPOCHS", "0", "expected 1 or more"),
        ("MIN_ACCURACY", "x", "expected a number"),
        ("PUSH", "no", "expected 'yes', 'even if no better' or 'dry run'"),
        ("RUN_ON_NEW_DATA", "perhaps", "expected true or false"),
    ],
)
def test_a_models_wrong_value_is_told_in_our_words(monkeypatch, name, value, words):
    monkeypatch.setenv(f"NIGHTLITE_MNIST_{name}", value)
    with pytest.raises(SettingsError, match=f"^NIGHTLITE_MNIST_{name}: {words}. Received: '{value}'$"):
        run_defaults(MODEL)
        model_settings(MODEL)


def test_components_read_the_settings_that_they_were_given(read):
    of = read(beam_workers_above_mib="64", beam_args='[{"nodes": "Evaluator.*", "args": ["--a b", "--c"]}]')
    told = {name.removeprefix("NIGHTLITE_").lower(): value for name, value in settings_environment(of).items()}
    assert read(**told) == of
    without = settings_environment(of.model_copy(update={"beam_args": ()}))
    assert without["NIGHTLITE_BEAM_ARGS"] == "[]"
