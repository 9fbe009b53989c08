"""Commands that refuse what they were asked for before anything slow begins."""

import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nightlite.deployment.in_tfx.commands import app
from nightlite.errors import UsageError
from nightlite.runner.exit_codes import EXIT_USAGE
from nightlite.runner.in_tfx import run_node
from nightlite.runner.in_tfx.warm import client
from nightlite.runner.node_result import NodeResult


def test_a_missing_pipeline_is_refused_before_a_server_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(client, "run", lambda *_: pytest.fail("a server was asked"))
    file, result = tmp_path / "none.json", tmp_path / "result.json"
    asked = [f"--pipeline={file}", "--node=Trainer.mnist", "--run-id=by-hand", f"--result={result}", "--runtime=warm"]
    assert run_node.main(asked) == EXIT_USAGE
    assert f"no compiled pipeline at {file} (No such file or directory): run 'make compile'" in capsys.readouterr().out
    assert NodeResult.read(result).state == "failed"


def test_run_local_takes_a_model_or_a_file(tmp_path: Path) -> None:
    answer = CliRunner().invoke(app, ["run-local", "--model=mnist", str(tmp_path / "none.json")])
    assert isinstance(answer.exception, UsageError) and "Received: both" in str(answer.exception)
    answer = CliRunner().invoke(app, ["run-local", str(tmp_path / "none.json")])
    assert isinstance(answer.exception, UsageError) and "no compiled pipeline at " in str(answer.exception)


def test_run_local_refuses_a_wrong_parameter_with_the_likeliest_first_and_no_internals(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "nightlite.deployment.in_tfx.compile", None)  # importing it would fail
    answer = CliRunner().invoke(app, ["run-local", "--model=mnist", "--param", "epoch=2"])
    assert answer.exit_code == 2
    assert answer.output.startswith("nightlite: Did you mean epochs?")
    assert "approval_record" not in answer.output and "as_of" not in answer.output
