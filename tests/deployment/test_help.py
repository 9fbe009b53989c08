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
from tests.declared import declared_models
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


def test_of_several_models_each_has_its_sources_and_an_example_names_one() -> None:
    flowers = MODEL.model_copy(update={"name": "flowers", "sources": {"garden": "what grows here"}})
    with declared_models({"flowers": flowers, "mnist": MODEL}):
        told = help_of(tfx_commands.app, "ingest")
    at = [told.index(part) for part in ("Sources of flowers:", "garden: what grows", "Sources of mnist:", "mnist5k: ")]
    assert at == sorted(at)
    assert "Examples: nightlite ingest --model flowers garden; " in told


def test_of_several_models_trigger_lists_what_they_have_in_common_once() -> None:
    flowers = MODEL.model_copy(update={"name": "flowers", "gate_bounds": {"min_accuracy": 0.25}})
    with declared_models({"flowers": flowers, "mnist": MODEL}):
        told = help_of(commands.app, "trigger")
    assert told.count("epochs: int") == told.count("push: str") == 1 and told.count("min_accuracy: float") == 2
    of_flowers, of_mnist = told.index("Parameters of flowers:"), told.index("Parameters of mnist:")
    assert told.index("epochs: int") < of_flowers < told.index("default 0.25.") < of_mnist


def test_ingest_alone_lists_them_too() -> None:
    asked = CliRunner().invoke(tfx_commands.app, ["ingest"])
    assert inspect.cleandoc(str(tfx_commands.ingest_data.__doc__)).splitlines()[0][:60] in asked.output
    assert all(name in asked.output for name in MODEL.sources)
