"""Dispatcher of `nightlite`: each command runs in the environment that it needs, wherever it was called from."""

import importlib.util
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from nightlite import VERSION
from nightlite.deployment.command_line.table import (
    COMMANDS,
    GROUPS,
    INSTALLATION,
    OF_A_MODEL,
    OF_TABLES,
    RUNNER,
    WITH_OPTIONS_OF_A_MODEL,
    of_group,
)
from nightlite.errors import NightliteError, UsageError
from nightlite.paths import HOW_TO_SET_UP, IS_CHECKOUT, PROJECT, SOURCES
from nightlite.settings_file import read_settings_file

EXIT_ERROR = 1
EXIT_USAGE = 2
# What the shells' completion asks with: the words so far, the last one unfinished.
WORDS = "--words"

_NOTES = (
    "Where there is more than one model, a command takes --model NAME.",
    "nightlite COMMAND --help shows more; nightlite --version, what this is.",
    "",
    "Exit code: 0 done; 1 it could not be done, or schema diff, doctor or config show",
    "found something; 2 usage: a wrong option or value, or no such folder, release or",
    "run; 3 a run kept its model back (demo, trigger --wait, status), predict is not",
    "sure, or feed fetch refused what it received.",
    "",
)
_EXAMPLES = {
    True: "Examples: nightlite demo; nightlite ingest ~/data; nightlite runs",
    False: "Examples: nightlite tfx-env\n          nightlite compile shop.pipeline:create_pipeline --output shop.json",
}
_NO_MODEL = f"none is in {SOURCES / 'models'}. How to declare one: docs/tutorial/your-own-model.md"


def usage() -> str:
    """Return the help of `nightlite` itself, 80 columns wide at most."""
    if _has_models():
        about, groups = "Retrain a small on-device model, prove the TFLite file, ship it only then.", GROUPS
    else:
        about, groups = "Run TFX pipelines in the Airflow that you have.", (RUNNER, INSTALLATION)
    lines = ["usage: nightlite COMMAND [OPTION ...]", "", about]
    for group in groups:
        lines += _section(f"{group} (docs/how-to/runner.md)" if group == RUNNER else group, of_group(group))
    if others := [name for name, command in COMMANDS.items() if command.group not in groups]:
        lines += _section("Need a deployment of models, a checkout (docs/tutorial/your-own-model.md)", others)
    return "\n".join([*lines, "", *_NOTES, _EXAMPLES[_has_models()]])


def _section(heading: str, names: Iterable[str]) -> list[str]:
    return ["", f"{heading}:", *(f"  {name:<11} {COMMANDS[name].about}" for name in names)]


def _has_models() -> bool:
    return (SOURCES / "models").is_dir()


def run_commands(app: Callable[..., object]) -> int:
    """Run one environment's commands (a typer app).

    An error that a user can act on becomes one line and its exit code.
    """
    try:
        app(prog_name="nightlite")
    except NightliteError as error:
        print(f"nightlite: {error}", file=sys.stderr)
        return EXIT_USAGE if isinstance(error, UsageError) else EXIT_ERROR
    return 0


def version() -> str:
    """Return the version that is installed, and the revision of this code."""
    from importlib.metadata import version as installed

    from nightlite.code_revision import code_revision

    return f"nightlite {VERSION if IS_CHECKOUT else installed('nightlite')}, revision {code_revision()}"


def main() -> int:
    arguments = sys.argv[1:]
    if arguments[:1] == ["help"]:
        arguments = sys.argv[1:] = [*arguments[1:], "--help"]
    if not arguments or arguments[0] in ("-h", "--help"):
        print(usage())
        return 0 if arguments else EXIT_USAGE
    if arguments[0] == WORDS:
        from nightlite.deployment.command_line.completion import completions

        print(*completions(arguments[1:]), sep="\n")
        return 0
    return run_commands(lambda prog_name: _run(prog_name, arguments))


def _run(prog_name: str, arguments: list[str]) -> None:
    read_settings_file()
    name = arguments[0]
    if name == "--version":
        print(version())
        return
    if name not in COMMANDS:
        from nightlite.did_you_mean import did_you_mean

        raise UsageError(f"{did_you_mean([name], COMMANDS)}Expected one of {', '.join(COMMANDS)}. Received: {name!r}")
    side, module, about, _ = COMMANDS[name]
    if name in WITH_OPTIONS_OF_A_MODEL and "--help" in arguments and not _has_models():
        print(f"usage: nightlite {name} [OPTION ...]\n\n{about}\n\nIts options depend on the model: {_NO_MODEL}")
        return
    if side == "tfx" and "--help" in arguments and not _tfx_python().exists():
        from nightlite.deployment.command_line.known_help import known_help

        print(known_help(arguments))
        print(f"\nIt runs in the TFX environment, and there is none at {_tfx_python()}: {HOW_TO_SET_UP}.")
        return
    if module == OF_A_MODEL:
        module, arguments = _module_of_a_model(arguments)
    # The image has Airflow elsewhere than a checkout.
    if side == "either" or (side == "airflow" and importlib.util.find_spec("airflow")):
        importlib.import_module(module).app(prog_name=prog_name)
    else:
        python = _interpreter(side)
        os.execv(python, [python, "-m", module, *arguments])


def _module_of_a_model(arguments: list[str]) -> tuple[str, list[str]]:
    """Return the module that the asked model declares, and the arguments without the model's name."""
    import argparse

    from nightlite.deployment.models import model_named

    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--model", metavar="NAME")
    try:
        asked, others = parser.parse_known_args(arguments)
    except argparse.ArgumentError as error:
        raise UsageError(f"--model: expected the name of a model. Received: none ({error.message})") from None
    model = model_named(asked.model)
    if not model.predict and model.is_table:
        return OF_TABLES, [*others, "--model", model.name]
    if not model.predict:
        raise UsageError(
            "expected a model with a command 'predict' (OnDeviceModel.predict), or of a table. "
            f"Received: {model.name}, which is neither"
        )
    return model.predict, others


def _interpreter(side: str) -> str:
    python = _tfx_python() if side == "tfx" else PROJECT / ".venvs" / "airflow" / "bin" / "python"
    if not python.exists():
        raise NightliteError(f"no {side} environment at {python}: {HOW_TO_SET_UP}")
    return str(python)


def _tfx_python() -> Path:
    from nightlite.deployment.settings import settings

    return settings().tfx_python


if __name__ == "__main__":
    sys.exit(main())
