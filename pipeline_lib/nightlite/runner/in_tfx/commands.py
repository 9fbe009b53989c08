"""Commands of the runner that need TFX: compile, run-node, run-local, beam-pool.

python -m nightlite.runner.in_tfx.commands COMMAND …    (TFX environment)
"""

import contextlib
import importlib.util
import os
import shlex
import socket
import sys
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from nightlite import native_log
from nightlite.errors import CompiledPipelineError, NightliteError, UsageError
from nightlite.paths import temporary_dir
from nightlite.runner.compiled_pipeline import CompiledPipeline
from nightlite.runner.exit_codes import EXIT_FAILED, EXIT_USAGE
from nightlite.runner.node_result import NodeResult
from nightlite.runner.parameter_text import assignments, unknown_names
from nightlite.settings_file import read_settings_file

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="markdown"
)


@app.command(
    "compile",
    no_args_is_help=True,
    epilog="Example: nightlite compile shop.pipeline:create_pipeline --arg epochs=5 --output shop.json",
)
def compile_function(
    function: Annotated[str, typer.Argument(metavar="MODULE:FUNCTION", help="returns a tfx.dsl.Pipeline")],
    output: Annotated[Path, typer.Option(help="the compiled pipeline")],
    arg: Annotated[list[str] | None, typer.Option(help="NAME=VALUE, an argument of the function; repeatable")] = None,
) -> None:
    """Compile a pipeline for AirflowDagRunner. The module is imported from the working directory.

    RuntimeParameters become the DAG's Params. A construct that would not be run is refused by its name.
    """
    from nightlite.runner.in_tfx.constructs import pipeline_function

    pipeline_function.check(function)
    print(_importing(), file=sys.stderr, flush=True)
    with native_log.muted():
        from tfx import v1 as tfx

        from nightlite.runner.in_tfx import node_log
        from nightlite.runner.in_tfx.compile import compile_pipeline
    node_log.quiet()
    pipeline = pipeline_function.call(pipeline_function.load(function), function, arg or [])
    if not isinstance(pipeline, tfx.dsl.Pipeline):
        raise UsageError(f"{function}: expected it to return a tfx.dsl.Pipeline. Received: {type(pipeline).__name__}")
    again = ["nightlite", "compile", function, *(word for text in arg or [] for word in ("--arg", text))]
    compiled = compile_pipeline(pipeline).model_copy(
        update={"compiled_by": shlex.join([*again, "--output", str(output)]), "sources": os.getcwd()}
    )
    done = "written to" if compiled.write(output) else "unchanged in"
    print(f"compiled {compiled.name}: {len(compiled.nodes)} nodes, {output.stat().st_size:,} bytes, {done} {output}")
    if pipeline.metadata_connection_config:
        print("its metadata_connection_config is not used: the store is the setting NIGHTLITE_METADATA_URL")


def _importing() -> str:
    """Return the line before TFX is imported, which takes more than five seconds."""
    spec = importlib.util.find_spec("tfx")
    is_compiled = bool(spec and spec.origin and Path(spec.origin).with_name("__pycache__").is_dir())
    first = "" if is_compiled else ", for the first time in this environment: a minute or more"
    return f"importing TFX{first} …"


@app.command(
    "run-local", no_args_is_help=True, epilog="Example: nightlite run-local shop.json --param epochs=3 --run-id try-1"
)
def run_compiled(
    file: Annotated[Path, typer.Argument(help="the compiled pipeline")],
    run_id: Annotated[str, typer.Option(help="names the run in MLMD; default: the time")] = "",
    param: Annotated[list[str] | None, typer.Option(help="NAME=VALUE, repeatable")] = None,
) -> None:
    """Run a compiled pipeline in this process, node after node, with TFX's LocalDagRunner. Airflow is not needed.

    Exit code 0: every node ran; 1 a node failed; 2 usage.
    """
    results = run_file(file, run_id, param or [])
    for result in results.values():
        print(result.model_dump_json(exclude_defaults=True))
    if any(result.state == "failed" for result in results.values()):
        raise typer.Exit(EXIT_FAILED)


@app.command("beam-pool", no_args_is_help=True, epilog="Example: nightlite beam-pool --port 50000")
def beam_pool(
    port: Annotated[int, typer.Option(min=1, max=65535, help="of the --environment_config that engines are given")],
    host: Annotated[
        str, typer.Option(help="address to listen on. **Anyone who can reach it can run code here**")
    ] = "127.0.0.1",
) -> None:
    """Start Beam workers for an engine (Flink, Prism) that was given --environment_type=EXTERNAL.

    Workers are forks of this process, which has imported TFX, so each starts in milliseconds. They import your code
    from the working directory, PYTHONPATH and NIGHTLITE_PROJECT_DIR. After an upgrade, start the pool again. SIGTERM
    ends it with all its workers; each leaves a line with its CPU time and its peak memory.
    """
    from nightlite.runner.settings import settings

    _require_free(host, port)
    print(_importing(), flush=True)
    with native_log.muted():
        from nightlite.runner.in_tfx.worker_pool import pool
    raise typer.Exit(pool.run(host, port, settings().project_dir))


def _require_free(host: str, port: int) -> None:
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind(address)
    except OSError as error:
        raise UsageError(f"expected a free address to listen on. Received: {host}:{port} ({error.strerror})") from None


def run_file(file: Path, run_id: str, texts: Sequence[str]) -> dict[str, NodeResult]:
    """Run a compiled pipeline and return its nodes' results.

    Raises:
      UsageError: it cannot be run as asked.
    """
    try:
        compiled = CompiledPipeline.read(file)
    except CompiledPipelineError as error:
        raise UsageError(f"run-local: {error}") from None
    values = assignments(texts, compiled.parameters)
    known = [parameter.name for parameter in compiled.parameters if parameter.given_by == "user"]
    if unknown := sorted(set(values) - set(known)):
        raise UsageError(unknown_names(unknown, known))
    with native_log.muted():
        from nightlite.runner.in_tfx.run_local import run_local
        from nightlite.runner.settings import settings
    with own_temporary_folder():
        return run_local(compiled, run_id or local_run_id(), settings().mlmd_url, values)


def local_run_id() -> str:
    """Return a run id of the present time."""
    return f"local__{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}"


@contextlib.contextmanager
def own_temporary_folder() -> Iterator[None]:
    """Set a temporary folder for this command, because Beam and TFX leave folders in TMPDIR."""
    before = os.environ.get("TMPDIR")
    with tempfile.TemporaryDirectory(prefix=f"node-{os.getpid()}-", dir=temporary_dir()) as folder:
        os.environ["TMPDIR"] = tempfile.tempdir = folder
        try:
            yield
        finally:
            tempfile.tempdir = None
            del os.environ["TMPDIR"]
            if before is not None:
                os.environ["TMPDIR"] = before


def main(arguments: Sequence[str]) -> int:
    """Run a command. An error that a user can act on becomes one line and its exit code."""
    if arguments and arguments[0] == "run-node":  # it starts in an instant, so it has a parser of its own
        from nightlite.runner.in_tfx import run_node

        return run_node.main([*arguments[1:]], "nightlite run-node")
    try:
        read_settings_file()
        app([*arguments], prog_name="nightlite", standalone_mode=True)
    except NightliteError as error:
        print(f"nightlite: {error}", file=sys.stderr)
        return EXIT_USAGE if isinstance(error, UsageError) else EXIT_FAILED
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else EXIT_FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
