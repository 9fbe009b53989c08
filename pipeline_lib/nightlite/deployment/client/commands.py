"""Commands of `nightlite` that call an Airflow over REST: trigger, status, runs."""

import math
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from nightlite.deployment.cli import run_commands
from nightlite.deployment.command_app import ModelName, command_app
from nightlite.deployment.settings import settings

if TYPE_CHECKING:
    from nightlite.runner.compiled_pipeline import Parameter

# Each command imports its own modules: a script asks for the status every few seconds.
app = command_app()


class _Trigger(TyperCommand):
    """Command `trigger`, whose help lists the run parameters."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        self.epilog = _parameter_lines()
        super().format_help(ctx, formatter)


def _parameter_lines() -> str:
    from nightlite.deployment.models import models
    from nightlite.ondevice.run_parameters import parameters

    found = {name: [_line(parameter) for parameter in parameters(model)] for name, model in models().items()}
    first, *others = found.values()
    common = [line for line in first if all(line in lines for lines in others)]
    about = ["Parameters:", *common]
    for name, lines in found.items():
        if own := [line for line in lines if line not in common]:
            about += [f"Parameters of {name}:", *own]
    where = (
        "Where: NIGHTLITE_URL, and who asks: NIGHTLITE_USER and NIGHTLITE_PASSWORD or NIGHTLITE_PASSWORD_FILE, or "
        "NIGHTLITE_TOKEN. A password that is not set is asked for. None of them: the local Airflow of this checkout."
    )
    examples = "Example: nightlite trigger --model NAME --wait --param epochs=3 --param 'push=dry run'"
    return "\n\n".join([*about, where, examples])


def _line(parameter: "Parameter") -> str:
    from nightlite.runner import parameter_text

    return (
        f"{parameter.name}: {parameter.type}, {parameter_text.bounds(parameter).replace('`', '')}, "
        f"default {parameter_text.default(parameter)}. {parameter.json_schema.get('description', '')}."
    )


@app.command(cls=_Trigger)
def trigger(
    model_name: ModelName = None,
    param: Annotated[list[str] | None, typer.Option(help="a run parameter as NAME=VALUE, repeatable")] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="watch the run to its end; the exit code is its outcome's")
    ] = False,
    run_id: Annotated[
        str | None, typer.Option(help="names the run; a run of that name that is there already is the answer")
    ] = None,
    note: Annotated[str | None, typer.Option(help="for people, shown beside the run")] = None,
    timeout: Annotated[float | None, typer.Option(min=0, help="with --wait: seconds to wait; the run goes on")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print the run as JSON; progress goes to stderr")] = False,
) -> None:
    """Start a run of a model's pipeline over REST.

    Exit code: 0 the run is started, or with --wait: the model is released, there is nothing new, or it was a dry
    run; 1 the run failed, could not be started, or took longer than --timeout; 2 usage, or the parameters were
    refused; 3 it ran, but the model was not released: refused, or no detectably better one; 130 interrupted: the run
    goes on.
    """
    from nightlite.deployment.client import runs
    from nightlite.deployment.models import model_named
    from nightlite.ondevice.run_parameters import parameters
    from nightlite.runner import parameter_text

    if timeout is not None and not wait:
        raise typer.BadParameter("expected --wait beside --timeout. Received: --timeout alone")
    model = model_named(model_name)
    conf = parameter_text.assignments(param or [], parameters(model))
    seconds = math.inf if timeout is None else timeout
    raise typer.Exit(
        runs.trigger(settings(), model, conf, run_id=run_id, note=note, wait=wait, seconds=seconds, as_json=as_json)
    )


@app.command(epilog="Example: nightlite status --json")
def status(
    run_id: Annotated[
        str | None, typer.Argument(help="default: the newest run; alone, it also finds the model")
    ] = None,
    model_name: ModelName = None,
    as_json: Annotated[bool, typer.Option("--json", help="print it as JSON")] = False,
) -> None:
    """Show a run: its nodes, its outcome, what it released.

    Exit code: 0 released, nothing new, a dry run, or it goes on; 1 it failed, or cannot be read; 2 there is no such
    run; 3 it ran, but the model was not released: refused, or no detectably better one.
    """
    from nightlite.deployment.client import runs

    raise typer.Exit(runs.status(settings(), model_name, run_id, as_json=as_json))


@app.command("runs", epilog="Example: nightlite runs --limit 3 --json")
def list_runs(
    model_name: ModelName = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help="how many")] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="print them as JSON")] = False,
) -> None:
    """List the newest runs, newest first, with their parameters and releases."""
    from nightlite.deployment.client.run_list import list_runs
    from nightlite.deployment.models import model_named

    raise typer.Exit(list_runs(settings(), model_named(model_name), limit, as_json=as_json))


if __name__ == "__main__":
    sys.exit(run_commands(app))
