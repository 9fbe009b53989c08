"""`mnist-lite`: each command runs in the environment that it needs, whichever one it was called from."""

import os
import sys
from collections.abc import Callable

from pipeline_lib.errors import MnistLiteError

# command: (environment, module of its commands, its one line in --help)
COMMANDS = {
    "demo": ("airflow", "pipeline_lib.airflow.commands", "run everything once under Airflow and print the verdict"),
    "up": ("airflow", "pipeline_lib.airflow.commands", "start the local Airflow"),
    "down": ("airflow", "pipeline_lib.airflow.commands", "stop the local Airflow and all that belongs to it"),
    "trigger": ("airflow", "pipeline_lib.airflow.commands", "start a run over REST, and wait for it if asked to"),
    "status": ("airflow", "pipeline_lib.airflow.commands", "show a run: its nodes, its verdict, what it released"),
    "runs": ("airflow", "pipeline_lib.airflow.commands", "list the newest runs"),
    "ingest": ("tfx", "pipeline_lib.tfx.commands", "add a span of data: mnist5k, digits, mnist or a folder"),
    "run-local": ("tfx", "pipeline_lib.tfx.commands", "run the whole pipeline in this process, without Airflow"),
    "schema": ("tfx", "pipeline_lib.tfx.commands", "infer, diff or accept the schema that the data is held to"),
    "models": ("tfx", "pipeline_lib.releases.commands", "list, check, roll back, prune or export the releases"),
    "predict": ("tfx", "pipeline_lib.mnist.commands", "ask the latest release what digit a picture shows"),
}


def usage() -> str:
    lines = [f"  {name:<11} {line}" for name, (_, _, line) in COMMANDS.items()]
    return "\n".join(
        [
            "usage: mnist-lite COMMAND [OPTION ...]",
            "",
            "Retrain a small on-device model, prove the TFLite file, ship it only then.",
            "",
            *lines,
            "",
            "mnist-lite COMMAND --help tells more. Examples: mnist-lite ingest mnist5k; mnist-lite run-local",
        ]
    )


def run_commands(app: Callable[..., object]) -> int:
    """Run one environment's commands (a typer app); an error that a user can act on is one line and exit code 1."""
    try:
        app(prog_name="mnist-lite")
    except MnistLiteError as error:
        print(f"mnist-lite: {error}", file=sys.stderr)
        return 1
    return 0


def main() -> int:
    arguments = sys.argv[1:]
    if not arguments or arguments[0] in ("-h", "--help"):
        print(usage())
        return 0 if arguments else 2
    if arguments[0] not in COMMANDS:
        print(f"mnist-lite: expected one of {', '.join(COMMANDS)}. Received: {arguments[0]!r}", file=sys.stderr)
        return 2
    side, module, _ = COMMANDS[arguments[0]]
    try:
        python = _interpreter(side)
    except MnistLiteError as error:
        print(f"mnist-lite: {error}", file=sys.stderr)
        return 1
    os.execv(python, [python, "-m", module, *arguments])


def _interpreter(side: str) -> str:
    from pipeline_lib.settings import settings

    python = settings().tfx_python if side == "tfx" else settings().airflow_python
    if not python.exists():
        raise MnistLiteError(f"no {side} environment at {python}: run 'make setup'")
    return str(python)


if __name__ == "__main__":
    sys.exit(main())
