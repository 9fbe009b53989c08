"""Table of the commands of `nightlite`: where each one runs, and its line in `--help`. Stdlib only."""

from typing import NamedTuple


class Command(NamedTuple):
    """One command. TFX's always run in another process."""

    side: str
    module: str
    about: str
    group: str


# In `module`, stands for the one that a model declares: --help must not take the time to import it.
OF_A_MODEL = ""
# Of a model that declares none, whose examples are rows of a table.
OF_TABLES = "nightlite.deployment.in_tfx.predict_command"
# Options of these are made from a model.
WITH_OPTIONS_OF_A_MODEL = ("demo", "trigger", "ingest", "predict")

EVERY_DAY = "Every day"
DATA = "Data and models"
RELEASES = "Releases and phones"
RUNNER = "Any TFX pipeline"
INSTALLATION = "This installation"

_AIRFLOW = "nightlite.deployment.airflow_commands"
_CLIENT = "nightlite.deployment.client.commands"
_TFX = "nightlite.deployment.in_tfx.commands"
_RUNNER = "nightlite.runner.in_tfx.commands"
_INSTALLATION = "nightlite.deployment.installation.commands"

COMMANDS = {
    "demo": Command("airflow", _AIRFLOW, "run everything once under Airflow and print the outcome", EVERY_DAY),
    "up": Command("airflow", _AIRFLOW, "start the local Airflow", EVERY_DAY),
    "down": Command("airflow", _AIRFLOW, "stop the local Airflow and all that belongs to it", EVERY_DAY),
    "trigger": Command("either", _CLIENT, "start a run over REST, and wait for it if asked to", EVERY_DAY),
    "status": Command("either", _CLIENT, "show a run: its nodes, its outcome, what it released", EVERY_DAY),
    "runs": Command("either", _CLIENT, "list the newest runs", EVERY_DAY),
    "ingest": Command("tfx", _TFX, "add a span of data, of one of a model's sources", DATA),
    "schema": Command("tfx", _TFX, "infer, diff or accept the schema that the data must match", DATA),
    "new": Command(
        "airflow", "nightlite.deployment.own_model.commands", "make a model of your own, as a copy of another", DATA
    ),
    "check-model": Command(
        "tfx", "nightlite.deployment.in_tfx.check_command", "check all that a model owes, on a part of its data", DATA
    ),
    "models": Command(
        "tfx",
        "nightlite.deployment.in_tfx.releases_commands",
        "list, check, roll out or back, prune or export releases",
        RELEASES,
    ),
    "compare": Command(
        "tfx",
        "nightlite.deployment.in_tfx.compare_command",
        "compare two releases or runs on the same data",
        RELEASES,
    ),
    "predict": Command("tfx", OF_A_MODEL, "ask the latest release about an example", RELEASES),
    "try": Command(
        "tfx",
        "nightlite.deployment.in_tfx.try_command",
        "try a release in a browser, or write the page that does",
        RELEASES,
    ),
    "feed": Command(
        "tfx",
        "nightlite.deployment.in_tfx.feed_commands",
        "publish releases to phones, show the feed, fetch as a phone does",
        RELEASES,
    ),
    "tfx-env": Command(
        "either", "nightlite.runner.tfx_env.command", "make the TFX environment of this version", RUNNER
    ),
    "compile": Command("tfx", _RUNNER, "compile a TFX pipeline of your own for Airflow", RUNNER),
    "run-local": Command("tfx", _TFX, "run a whole pipeline in this process, without Airflow", RUNNER),
    "run-node": Command("tfx", _RUNNER, "run one node of a compiled pipeline", RUNNER),
    "beam-pool": Command("tfx", _RUNNER, "start Beam workers for an engine, such as Flink", RUNNER),
    "config": Command("airflow", _INSTALLATION, "show each setting, its value, and where it is from", INSTALLATION),
    "doctor": Command(
        "airflow", _INSTALLATION, "check this host, databases, Airflow, DAGs, locks, feeds", INSTALLATION
    ),
    "completion": Command(
        "either",
        "nightlite.deployment.command_line.commands",
        "print what bash, zsh or fish needs to complete commands",
        INSTALLATION,
    ),
}
GROUPS = tuple(dict.fromkeys(command.group for command in COMMANDS.values()))


def of_group(group: str) -> list[str]:
    """Return the names of a group's commands."""
    return [name for name, command in COMMANDS.items() if command.group == group]
