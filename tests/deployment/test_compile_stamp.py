"""`make compile` leaves a compiled file alone only if compiling again would give the very same."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from nightlite.deployment.in_tfx.compile import __main__ as command
from nightlite.deployment.in_tfx.compile import stamp as stamps
from nightlite.deployment.in_tfx.compile.stamp import Stamp, changed_since, of_model
from nightlite.runner.in_tfx import source_files


class Deployment:
    """A deployment of two compiled models. `compile` returns the models that `make compile` compiled again."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.code, self.schema = folder / "code" / "pipeline.py", folder / "schema.pbtxt"
        self.compiled = folder / "var" / "compiled" / "mnist_tflite.json"
        for file in (self.code, self.compiled):
            file.parent.mkdir(parents=True)
            file.write_text(file.name)
        self._patch = monkeypatch
        monkeypatch.setenv("NIGHTLITE_VAR_DIR", str(folder / "var"))
        monkeypatch.delenv("NIGHTLITE_COMPILED_DIR", raising=False)
        monkeypatch.setattr(command, "names", lambda: ["mnist", "penguins"])
        monkeypatch.setattr(command, "read_settings_file", lambda: None)
        for name in ("mnist", "penguins"):
            file = self.compiled.with_name(f"{name}_tflite.json")
            file.write_text(name)
            Stamp.of(file, 16, [self.code, self.schema] if name == "mnist" else []).write(name)

    def compile(self, *arguments: str) -> list[str]:
        again: list[str] = []

        def compiled(told: Sequence[str]) -> int:
            again.extend(told[1:] or ["all"])
            return 0

        self._patch.setattr(command, "_compile", compiled)
        self._patch.setattr(sys, "argv", ["compile", *arguments])
        assert command.main() == 0
        return again


@pytest.fixture
def deployment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    return Deployment(tmp_path, monkeypatch)


def test_nothing_is_compiled_while_nothing_has_changed(
    deployment: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    assert deployment.compile() == []
    first, second = capsys.readouterr().out.splitlines()
    assert first == f"compiled mnist_tflite: 16 nodes, 5 bytes, unchanged in {deployment.compiled}"
    assert second.startswith("compiled penguins_tflite: 16 nodes, 8 bytes, unchanged in ")
    assert deployment.compile("--model", "mnist") == []


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda it: it.code.write_text("edited"), id="code edited"),
        pytest.param(lambda it: it.code.unlink(), id="code removed"),
        pytest.param(lambda it: (it.code.parent / "json.py").write_text(""), id="a module that hides another"),
        pytest.param(lambda it: it.schema.write_text("feature {}"), id="a schema where there was none"),
        pytest.param(lambda it: it.compiled.write_text("edited by hand"), id="compiled file edited"),
        pytest.param(lambda it: it.compiled.unlink(), id="compiled file removed"),
        pytest.param(lambda it: it.compiled.with_name("mnist.made-from").write_text("{}"), id="stamp damaged"),
        pytest.param(lambda it: it.compiled.with_name("mnist.made-from").unlink(), id="stamp removed"),
    ],
)
def test_a_change_compiles_the_model_that_it_concerns(
    deployment: Deployment, change: Callable[[Deployment], object]
) -> None:
    change(deployment)
    assert deployment.compile() == ["mnist"]
    assert deployment.compile("--model", "mnist") == ["mnist"]


def test_an_edit_of_the_schema_compiles_again(deployment: Deployment) -> None:
    deployment.schema.write_text("feature {}")
    Stamp.of(deployment.compiled, 16, [deployment.schema]).write("mnist")
    assert deployment.compile() == []
    deployment.schema.write_text("feature { name: 'a' }")
    assert deployment.compile() == ["mnist"]


@pytest.mark.parametrize("name", ["NIGHTLITE_MNIST_MIN_ACCURACY", "nightlite_keep_releases", "PYTHONPATH"])
def test_a_setting_compiles_all_again(deployment: Deployment, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "0.5")
    assert deployment.compile() == ["mnist", "penguins"]


def test_a_password_compiles_nothing(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTLITE_PASSWORD", "hunter2")
    assert deployment.compile() == []


def test_another_installed_version_compiles_all_again(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_files, "installed_distributions", lambda _: ["tfx-1.22.0"])
    assert deployment.compile() == ["mnist", "penguins"]


def test_a_model_that_is_switched_off_is_left_out(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTLITE_PENGUINS_ENABLED", "false")
    assert deployment.compile() == ["mnist"]  # its settings are others now


def test_with_nothing_to_compile_the_reason_is_left_to_the_compiler(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "names", list)
    assert deployment.compile() == ["all"]


def test_another_models_files_count_only_where_they_are_mentioned(tmp_path: Path) -> None:
    library = tmp_path.parent / "library.py"
    files = {name: tmp_path / name / "on_device.py" for name in ("first", "second", "third", "fourth")}
    for name, mentioned in (("first", "second"), ("second", "third"), ("third", ""), ("fourth", "first")):
        files[name].parent.mkdir()
        files[name].write_text(f"from models.{mentioned} import on_device" if mentioned else "")
    found = of_model([*files.values(), library], tmp_path, "first")
    assert set(found) == {files["first"], files["second"], files["third"], library}
    assert set(of_model(files.values(), tmp_path, "third")) == {files["third"]}


def test_a_source_that_is_written_while_it_is_compiled_vouches_for_nothing(tmp_path: Path) -> None:
    source = tmp_path / "on_device.py"
    source.write_text("")
    written = source.stat().st_ctime
    assert changed_since([tmp_path / "absent", source], written - 1)
    assert not changed_since([tmp_path / "absent", source], written + 1)


def test_stamps_lie_where_the_settings_have_compiled_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from nightlite.deployment.settings import Settings

    for variables in ({}, {"NIGHTLITE_COMPILED_DIR": str(tmp_path / "other")}, {"NIGHTLITE_COMPILED_DIR": ""}):
        with monkeypatch.context() as patch:
            patch.setenv("NIGHTLITE_VAR_DIR", str(tmp_path))
            for name, value in variables.items():
                patch.setenv(name, value)
            assert stamps.compiled_folder() == Settings().compiled_file_of("mnist").parent
