"""The commands of `mnist-lite` that need TFX or the data: ingest, run-local."""

import sys
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console

from pipeline_lib.cli import run_commands
from pipeline_lib.run_summary import summarize
from pipeline_lib.settings import settings

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.command(epilog="Examples: mnist-lite ingest digits; mnist-lite ingest ~/mnist")
def ingest(source: Annotated[str, typer.Argument(help="digits, mnist, or a folder of IDX files")]) -> None:
    """Add a span of data, unless it is what the latest span already holds."""
    from pipeline_lib.mnist.ingest import ingest as write_next_span

    print(write_next_span(source, settings().data_dir))


@app.command("run-local", epilog="Example: mnist-lite run-local --param epochs=3 --param min_accuracy=0.9")
def run_whole_pipeline(
    run_id: Annotated[str, typer.Option(help="names the run in MLMD; default: the time")] = "",
    param: Annotated[list[str] | None, typer.Option(help="NAME=VALUE, repeatable")] = None,
) -> None:
    """Run the whole pipeline in this process, node after node, without Airflow."""
    from pipeline_lib.tfx import node_log
    from pipeline_lib.tfx.compile import mnist_tflite
    from pipeline_lib.tfx.run_local import run_local
    from pipeline_lib.tfx.run_node import assignments

    node_log.quiet(progress=True)
    run_id = run_id or f"local__{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}"
    results = run_local(mnist_tflite(settings()), run_id, settings().mlmd_url, assignments(param or []))
    Console().print_json(summarize(results).model_dump_json())


if __name__ == "__main__":
    sys.exit(run_commands(app))
