"""`nightlite check-model`: its lines, and a name that no model has."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nightlite.deployment.in_tfx import check_command
from nightlite.deployment.settings import Settings
from nightlite.errors import ModelDeclarationError, UsageError
from nightlite.ondevice.in_tfx.model_check import check_model
from nightlite.ondevice.model import OnDeviceModel
from tests.declared import declared_models
from tests.tiny_table.on_device import MODEL

OTHER = MODEL.model_copy(update={"name": "other"})


@pytest.fixture(autouse=True)
def declared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(check_command, "settings", lambda: Settings(var_dir=tmp_path))
    monkeypatch.setattr(check_command.native_log, "mute_exit", lambda: None)
    with declared_models({MODEL.name: MODEL, OTHER.name: OTHER}):
        yield


def test_each_check_is_a_line_and_the_others_texts_are_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[OnDeviceModel, Path, list[OnDeviceModel]]] = []

    def check(model: OnDeviceModel, data_dir: Path, others: Iterator[OnDeviceModel]) -> Iterator[str]:
        asked.append((model, data_dir, list(others)))
        yield "a check"

    monkeypatch.setattr(check_model, "check_model", check)
    result = CliRunner().invoke(check_command.app, ["check-model", MODEL.name])
    first, second, last = result.stdout.splitlines()
    assert (first, second) == ("iris: the declaration can be read", "iris: a check")
    assert last.startswith("iris: all checks passed, in ") and result.exit_code == 0
    assert asked == [(MODEL, tmp_path / "iris" / "data", [OTHER])]


def test_what_is_wrong_ends_it_after_the_lines_of_what_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    def check(*_: object) -> Iterator[str]:
        yield "a check"
        raise ModelDeclarationError("expected this. Received: that")

    monkeypatch.setattr(check_model, "check_model", check)
    result = CliRunner().invoke(check_command.app, ["check-model", MODEL.name])
    assert result.stdout.splitlines()[-1] == "iris: a check" and isinstance(result.exception, ModelDeclarationError)


def test_a_name_that_no_model_has_is_a_usage_error() -> None:
    result = CliRunner().invoke(check_command.app, ["check-model", "irs"])
    assert isinstance(result.exception, UsageError)
    assert str(result.exception) == "Did you mean iris? Expected a model (iris, other). Received: 'irs'"


def test_without_a_name_it_says_which_there_are() -> None:
    result = CliRunner().invoke(check_command.app, ["check-model"])
    assert isinstance(result.exception, UsageError)
    assert str(result.exception) == "Expected a model (iris, other). Received: none"
