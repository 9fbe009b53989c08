"""Dispatcher of `nightlite`: each command runs in the environment that it needs, wherever it was called from."""

import importlib.util
import os
import sys
from collections.abc import Callable, Iterable

from nightlite import VERSION
from nightlite.errors import NightliteError, UsageError
from nightlite.paths import HOW_TO_SET_UP, IS_CHECKOUT, PROJECT, SOURCES
from nightlite.settings_file import read_settings_file

EXIT_ERROR = 1
EXIT_USAGE = 2

# These work in a wheel, where no model is.
RUNNER = ("tfx-env", "compile", "run-local", "run-node", "beam-pool")
# Their options are made from a model.
_OPTIONS_OF_A_MODEL = ("demo", "trigger", "ingest", "predict")
# In COMMANDS, stands for the module that a model declares: --help must not take the time to import it.
_OF_A_MODEL = ""
# Of a model that declares none, whose examples are rows of a table.
_OF_TABLES = "nightlite.deployment.in_tfx.predict_command"
# command: (environment, module, line in --help). TFX's commands always run in another process.
COMMANDS = {
    "demo": (
        "airflow",
        "nightlite.deployment.airflow_commands",
        "run everything once under Airflow and print the outcome",
    ),
    "up": ("airflow", "nightlite.deployment.airflow_commands", "start the local Airflow"),
    "down": ("airflow", "nightlite.deployment.airflow_commands", "stop the local Airflow and all that belongs to it"),
    "trigger": ("either", "nightlite.deployment.client.commands", "start a run over REST, and wait for it if asked to"),
    "status": (
        "either",
        "nightlite.deployment.client.commands",
        "show a run: its nodes, its outcome, what it released",
    ),
    "runs": ("either", "nightlite.deployment.client.commands", "list the newest runs"),
    "ingest": ("tfx", "nightlite.deployment.in_tfx.commands", "add a span of data, of one of a model's sources"),
    "compile": ("tfx", "nightlite.runner.in_tfx.commands", "compile a TFX pipeline of your own for Airflow"),
    "run-node": ("tfx", "nightlite.runner.in_tfx.commands", "run one node of a compiled pipeline"),
    "run-local": (
        "tfx",
        "nightlite.deployment.in_tfx.commands",
        "run a model's pipeline, or any compiled one, in this process, without Airflow",
    ),
    "beam-pool": ("tfx", "nightlite.runner.in_tfx.commands", "start Beam workers for an engine, such as Flink"),
    "schema": (
        "tfx",
        "nightlite.deployment.in_tfx.commands",
        "infer, diff or accept the schema that the data is held to",
    ),
    "models": (
        "tfx",
        "nightlite.deployment.in_tfx.releases_commands",
        "list, check, roll back, prune or export the releases",
    ),
    "feed": (
        "tfx",
        "nightlite.deployment.in_tfx.feed_commands",
        "publish the releases to phones: keys, rotation, what the feed says; fetch as a phone does",
    ),
    "compare": (
        "tfx",
        "nightlite.deployment.in_tfx.compare_command",
        "compare two releases or runs on the same data",
    ),
    "predict": ("tfx", _OF_A_MODEL, "ask the latest release about an example"),
    "tfx-env": ("either", "nightlite.runner.tfx_env.command", "make the TFX environment of this version"),
    "try": (
        "tfx",
        "nightlite.deployment.in_tfx.try_command",
        "try a release in a browser, or write the page that does",
    ),
    "new": ("airflow", "nightlite.deployment.own_model.commands", "make a model of your own, as a copy of another"),
    "check-model": (
        "tfx",
        "nightlite.deployment.in_tfx.check_command",
        "check all that a model owes, on a small part of its data",
    ),
}

_EXAMPLES = {
    True: "nightlite demo; nightlite ingest ~/data; nightlite runs",
    False: "nightlite tfx-env; nightlite compile shop.pipeline:create_pipeline --output shop.json",
}
_NO_MODEL = f"none is in {SOURCES / 'models'}. How to declare one: docs/your-own-model.md"


def usage() -> str:
    if _has_models():
        commands = ["Retrain a small on-device model, prove the TFLite file, ship it only then.", "", *_lines(COMMANDS)]
    else:
        commands = [
            "Run TFX pipelines in the Airflow that you have.",
            "",
            "For any TFX pipeline (docs/runner.md):",
            *_lines(RUNNER),
            "",
            "Need a deployment of models, a checkout (docs/your-own-model.md):",
            *_lines([name for name in COMMANDS if name not in RUNNER]),
        ]
    return "\n".join(
        [
            "usage: nightlite COMMAND [OPTION ...]",
            "",
            *commands,
            "",
            "Where there is more than one model, a command takes --model NAME.",
            f"nightlite COMMAND --help shows more. Examples: {_EXAMPLES[_has_models()]}",
            "nightlite --version prints version and revision.",
            "",
            "Exit code: 0 done; 1 it could not be done, or schema diff found a difference; 2 usage: a wrong option or",
            "value, or the name of a folder, a release or a run that does not exist; 3 a run kept its model back",
            "(demo, trigger --wait, status), predict is not sure, or feed fetch refused what it received.",
        ]
    )


def _lines(names: Iterable[str]) -> list[str]:
    return [f"  {name:<11} {COMMANDS[name][2]}" for name in names]


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
    if not arguments or arguments[0] in ("-h", "--help"):
        print(usage())
        return 0 if arguments else EXIT_USAGE
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
    side, module, line = COMMANDS[name]
    if name in _OPTIONS_OF_A_MODEL and "--help" in arguments and not _has_models():
        print(f"usage: nightlite {name} [OPTION ...]\n\n{line}\n\nIts options depend on the model: {_NO_MODEL}")
        return
    if module == _OF_A_MODEL:
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
        return _OF_TABLES, [*others, "--model", model.name]
    if not model.predict:
        raise UsageError(
            "expected a model with a command 'predict' (OnDeviceModel.predict), or of a table. "
            f"Received: {model.name}, which is neither"
        )
    return model.predict, others


def _interpreter(side: str) -> str:
    from nightlite.deployment.settings import settings

    python = settings().tfx_python if side == "tfx" else PROJECT / ".venvs" / "airflow" / "bin" / "python"
    if not python.exists():
        raise NightliteError(f"no {side} environment at {python}: {HOW_TO_SET_UP}")
    return str(python)


if __name__ == "__main__":
    sys.exit(main())
