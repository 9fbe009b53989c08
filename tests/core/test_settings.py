from pathlib import Path

import pytest

from pipeline_lib.errors import SettingsError
from pipeline_lib.settings import settings


@pytest.fixture
def read(monkeypatch):
    def with_variables(**variables):
        for name, value in variables.items():
            monkeypatch.setenv(f"MNIST_LITE_{name.upper()}", value)
        settings.cache_clear()
        return settings()

    yield with_variables
    settings.cache_clear()


def test_everything_hangs_on_var_dir(read, tmp_path):
    of = read(var_dir=str(tmp_path))
    assert of.compiled_path == tmp_path / "compiled" / "mnist_tflite.json"
    assert of.push_dir == tmp_path / "pushed" / "mnist_lite"
    assert of.mlmd_url == f"sqlite:///{tmp_path}/metadata/mlmd.sqlite"


def test_relative_paths_become_absolute_without_following_links(read, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "python").symlink_to("/bin/sh")
    assert read(tfx_python="python", var_dir="state").tfx_python == tmp_path / "python"
    assert settings().var_dir == tmp_path / "state"


def test_the_compiled_file_may_lie_elsewhere(read):
    assert read(compiled_pipeline="/elsewhere/p.json").compiled_path == Path("/elsewhere/p.json")


@pytest.mark.parametrize(("name", "value"), [("runtime", "tepid"), ("runtime_idle_seconds", "0"), ("port", "x")])
def test_a_wrong_value_is_one_sentence_that_names_the_variable(read, name, value):
    with pytest.raises(SettingsError, match=f"^MNIST_LITE_{name.upper()}: .* Received: '{value}'$"):
        read(**{name: value})
