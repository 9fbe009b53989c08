"""Commands of `nightlite` that need TFX or the data: ingest, run-local, schema."""

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Annotated

import typer
from rich.console import Console

from nightlite import native_log
from nightlite.deployment.cli import run_commands
from nightlite.deployment.command_app import ModelName, command_app
from nightlite.deployment.data_sources import ListsSources
from nightlite.deployment.models import model_named
from nightlite.deployment.settings import settings
from nightlite.errors import NodeRequestError, UsageError
from nightlite.ondevice.model import OnDeviceModel
from nightlite.ondevice.results.run_summary import summarize
from nightlite.ondevice.run_parameters import checked_assignments
from nightlite.runner.in_tfx.commands import local_run_id, own_temporary_folder, run_compiled

app = command_app()
schema_app = command_app("The curated schema that the data must match.")
app.add_typer(schema_app, name="schema")


@schema_app.callback()
def _schema(context: typer.Context) -> None:
    context.with_resource(own_temporary_folder())


def _curated_schema() -> ModuleType:
    """Import the TFDV side without TensorFlow's messages."""
    from nightlite.runner.in_tfx import node_log

    node_log.quiet()
    with native_log.muted():
        from nightlite.ondevice.in_tfx import curated_schema
    return curated_schema


@app.command("ingest", cls=ListsSources, no_args_is_help=True, epilog="{source}; nightlite ingest ~/data")
def ingest_data(
    source: Annotated[str, typer.Argument(help="one of the sources below, or a folder or file")],
    model_name: ModelName = None,
    tell: Annotated[bool, typer.Option(help="notify Airflow of a new span, which starts a run")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object on stdout, at the end")] = False,
) -> None:
    """Add a span of data, unless a span already holds exactly that, and notify Airflow's asset of it.

    Airflow is where NIGHTLITE_URL says, else the local one. A failed notice is printed and is no failure.
    """
    from nightlite.ondevice.in_tfx.ingest.run_ingest import answer, ingest

    model = model_named(model_name)
    span, newest = ingest(model.ingest, source, settings().folders(model.name).data)
    if not as_json:
        print(span, flush=True)
    told = None
    if tell and newest:
        from nightlite.deployment.client.asset_event import tell_of

        told = tell_of(span, model, settings())
    if as_json:
        print(json.dumps({**answer(span, newest), "told": told}))
    elif told:
        print(told)


@app.command(
    "run-local",
    epilog="Examples: nightlite run-local --model NAME --param epochs=3; nightlite run-local shop.json",
)
def run_whole_pipeline(
    file: Annotated[Path | None, typer.Argument(help="any compiled pipeline, instead of a model's")] = None,
    model_name: ModelName = None,
    run_id: Annotated[str, typer.Option(help="names the run in MLMD; default: the time")] = "",
    param: Annotated[list[str] | None, typer.Option(help="NAME=VALUE, repeatable")] = None,
) -> None:
    """Run the whole pipeline in this process, node after node, without Airflow.

    Exit code 0: every node ran, whatever the gates said, which the JSON at the end shows; 1 a node failed; 2 usage.
    """
    if file:
        if model_name:
            raise UsageError("run-local: expected a model or a compiled pipeline. Received: both")
        run_compiled(file, run_id, param)
        return
    model = model_named(model_name)
    try:
        values = checked_assignments(param or [], model)
    except NodeRequestError as error:
        print(f"nightlite: {error}", file=sys.stderr)
        raise typer.Exit(2) from None
    from nightlite.ondevice.in_tfx.compile import compile_model
    from nightlite.runner.in_tfx import node_log
    from nightlite.runner.in_tfx.run_local import run_local

    node_log.quiet(progress=True)
    with own_temporary_folder():
        results = run_local(compile_model(model, settings()), run_id or local_run_id(), settings().mlmd_url, values)
    Console().print_json(summarize(results).model_dump_json())


def _data_dir(model: OnDeviceModel) -> Path:
    return settings().folders(model.name).data


@schema_app.command("infer", epilog="Example: nightlite schema infer --model NAME")
def infer_schema(model_name: ModelName = None) -> None:
    """Print a schema as the latest span of data has it."""
    data, curated_schema = _data_dir(model_named(model_name)), _curated_schema()

    print(curated_schema.as_text(curated_schema.infer(curated_schema.latest_statistics(data))), end="")


@schema_app.command("diff", epilog="Exit code 1: the latest span differs from the curated schema.")
def diff_schema(model_name: ModelName = None) -> None:
    """Show where the latest span differs from the curated schema, and what 'accept' would change."""
    model, curated_schema = model_named(model_name), _curated_schema()

    file, span = settings().schema_file(model), curated_schema.latest_statistics(_data_dir(model))
    if (curated := curated_schema.read(file)) is not None:
        for line in curated_schema.anomalies(curated, span):
            print(line)
    if difference := curated_schema.difference(file, curated_schema.proposed(file, span)):
        print(difference, end="")
        raise typer.Exit(1)
    print(f"The latest span matches {file}")


@schema_app.command("accept", epilog="Then look at the file, commit it, and run 'make compile'.")
def accept_schema(model_name: ModelName = None) -> None:
    """Widen the curated schema to the latest span. Without a schema, write the inferred one."""
    model, curated_schema = model_named(model_name), _curated_schema()

    file = settings().schema_file(model)
    schema = curated_schema.proposed(file, curated_schema.latest_statistics(_data_dir(model)))
    if not (difference := curated_schema.difference(file, schema)):
        print(f"{file} is unchanged: the latest span matches it")
        return
    if not file.exists():
        difference = f"{curated_schema.counts(schema)}\n"
    curated_schema.write(file, schema)
    print(f"{difference}Written to {file}: look at it, commit it, and run 'make compile'")


if __name__ == "__main__":
    sys.exit(run_commands(app))
