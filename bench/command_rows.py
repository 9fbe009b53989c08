"""The rows of commands, in CPU seconds: beside their yardsticks, these are not runs but what a person waits for."""

from collections.abc import Callable

from bench.commands import Command, airflow, nightlite
from bench.lab import Lab
from bench.row import Row
from nightlite.deployment.models import first_model

_WRONG = "--no-such-option"


def nothing_new(name: str, lab: Lab) -> Row:
    what = "trigger to end of a run whose nodes are all cached | the same graph of EmptyOperators"
    return Row.of(name, "s", *lab.nothing_new, what=what)


def status(name: str, lab: Lab) -> Row:
    return _asked(name, lab, nightlite("status", "--model", first_model().name), "nightlite status")


def runs(name: str, lab: Lab) -> Row:
    return _asked(name, lab, nightlite("runs", "--model", first_model().name), "nightlite runs")


def usage_error(name: str, lab: Lab) -> Row:
    yardstick = airflow(lab.airflow_home, "dags", "list-runs", _WRONG, exit_code=2)
    times = lab.commands(nightlite("trigger", _WRONG, exit_code=2), yardstick)
    return Row.of(name, "CPU s", *times, what="nightlite trigger with a wrong option | airflow dags list-runs with one")


def compile_unchanged(name: str, lab: Lab) -> Row:
    times = lab.commands(lab.compiler, lab.tfx_import)
    return Row.of(name, "CPU s", *times, what="make compile, nothing changed | python -c 'import tfx.v1'")


def compile_changed(name: str, lab: Lab) -> Row:
    times = lab.commands(lab.compiler, lab.tfx_import, before=lab.forget_stamps)
    what = "make compile of all models in the warm server, its child counted | python -c 'import tfx.v1'"
    return Row.of(name, "CPU s", *times, what=what)


def _asked(name: str, lab: Lab, ours: Command, title: str) -> Row:
    yardstick = airflow(lab.airflow_home, "dags", "list-runs", first_model().pipeline_name)
    return Row.of(name, "CPU s", *lab.commands(ours, yardstick), what=f"{title} | airflow dags list-runs")


COMMAND_ROWS: dict[str, Callable[[str, Lab], Row]] = {
    "nothing_new": nothing_new,
    "status": status,
    "runs": runs,
    "usage_error": usage_error,
    "compile_unchanged": compile_unchanged,
    "compile_changed": compile_changed,
}
