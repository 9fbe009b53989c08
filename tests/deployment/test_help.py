"""The `--help` of every command: its paragraphs flow, and it names the model's own sources."""

import inspect

import pytest
import typer
from typer.testing import CliRunner

from models.mnist.on_device import MODEL
from nightlite.deployment import airflow_commands
from nightlite.deployment.client import commands
from nightlite.deployment.in_tfx import commands as tfx_commands
from nightlite.deployment.in_tfx import compare_command, releases_commands
from tests.help_texts import broken_paragraphs, help_of


@pytest.mark.parametrize(
    "app", [airflow_commands.app, commands.app, compare_command.app, releases_commands.app, tfx_commands.app]
)
def test_no_paragraph_of_a_help_keeps_the_line_ends_of_the_source(app: typer.Typer) -> None:
    assert broken_paragraphs(app) == []


def test_a_paragraph_that_keeps_them_is_found() -> None:
    app = typer.Typer()

    @app.command()
    def command() -> None:
        """Do this.

        Exit code: 0 it is done;
        1 it is not.
        """

    assert broken_paragraphs(app) == ["Exit code: 0 it is done; 1 it is not."]


@pytest.mark.parametrize(("app", "command"), [(airflow_commands.app, "demo"), (tfx_commands.app, "ingest")])
def test_the_help_lists_the_models_sources(app: typer.Typer, command: str) -> None:
    told = help_of(app, command)
    for name, about in MODEL.sources.items():
        assert f"{name}: {about}." in told
    assert f"Examples: nightlite {command} " in told and MODEL.usual_source in told


def test_ingest_alone_lists_them_too() -> None:
    asked = CliRunner().invoke(tfx_commands.app, ["ingest"])
    assert inspect.cleandoc(str(tfx_commands.ingest_data.__doc__)).splitlines()[0][:60] in asked.output
    assert all(name in asked.output for name in MODEL.sources)
