"""`mnist-lite`: each command runs in the environment that it needs, whichever one it was called from."""

import os
import sys
from collections.abc import Callable

from pipeline_lib.errors import MnistLiteError
from pipeline_lib.places import PROJECT

# command: (environment, its one line in --help)
COMMANDS = {
    "demo": ("airflow", "run everything once under Airflow and print the verdict"),
    "up": ("airflow", "start the local Airflow"),
    "down": ("airflow", "stop the local Airflow and all that belongs to it"),
    "ingest": ("tfx", "add a span of data: digits, mnist or a folder of IDX files"),
    "run-local": ("tfx", "run the whole pipeline in this process, without Airflow"),
    "schema": ("tfx", "infer, diff or accept the schema that the data is held to"),
}


def usage() -> str:
    lines = [f"  {name:<11} {line}" for name, (_, line) in COMMANDS.items()]
    return "\n".join(
        [
            "usage: mnist-lite COMMAND [OPTION ...]",
            "",
            "Retrain a small on-device model, prove the TFLite file, ship it only then.",
            "",
            *lines,
            "",
            "mnist-lite COMMAND --help tells more. Examples: mnist-lite ingest digits; mnist-lite run-local",
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
    side, _ = COMMANDS[arguments[0]]
    try:
        python = _interpreter(side)
    except MnistLiteError as error:
        print(f"mnist-lite: {error}", file=sys.stderr)
        return 1
    os.execv(python, [python, "-m", f"pipeline_lib.{side}.commands", *arguments])


def _interpreter(side: str) -> str:
    from pipeline_lib.settings import settings

    python = settings().tfx_python if side == "tfx" else PROJECT / ".venvs" / "airflow" / "bin" / "python"
    if not python.exists():
        # In a container there is one project and both environments elsewhere: this one may be the right one.
        raise MnistLiteError(f"no {side} environment at {python}: run 'make setup'")
    return str(python)


if __name__ == "__main__":
    sys.exit(main())
