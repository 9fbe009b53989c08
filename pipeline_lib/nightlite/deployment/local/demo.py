"""Steps of `make demo`: data, compile, Airflow, one run, a live view of it, and the result."""

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator

from rich.console import Console
from rich.table import Table

from nightlite import locks
from nightlite.deployment.client.answers import DagRun
from nightlite.deployment.client.rest import AirflowRest
from nightlite.deployment.client.runs import EXIT_INTERRUPTED, summary_lines
from nightlite.deployment.client.watch import RunView, node_order, print_failures
from nightlite.deployment.data_sources import checked_source
from nightlite.deployment.local import stack
from nightlite.deployment.local.airflow_config import USER, LocalAirflow
from nightlite.deployment.local.components import settings_environment
from nightlite.deployment.local.old_state import refuse_old_state
from nightlite.deployment.local.start_run import run_under_way, switch_on
from nightlite.deployment.setting_check import check_settings
from nightlite.deployment.settings import Settings
from nightlite.errors import StackError
from nightlite.ondevice.in_airflow.schedule import schedule
from nightlite.ondevice.model import OnDeviceModel
from nightlite.ondevice.report_files import REPORT_ROUTE
from nightlite.ondevice.results.quality import name_of
from nightlite.ondevice.results.run_summary import RunSummary, report_page, summarize
from nightlite.ondevice.settings import model_settings
from nightlite.paths import PROJECT


def demo(settings: Settings, model: OnDeviceModel, dataset: str | None = None) -> int:
    """Run a model's pipeline once on `dataset`, a source of the model's or a folder. None: on the first source.

    If a run is going on, watch that one. Return the exit code: 0 the model is released (by this run or
    before) or it was a dry run; 1 the run failed; 3 the model was not released; 130 interrupted.

    Raises:
      NoSourceError: there is no such source.
      SettingsError: a variable is unknown or malformed.
      StackError: another `make demo` is running, a step before the run failed, or Airflow cannot be reached.
    """
    console = Console()
    source = checked_source(model, dataset) if dataset else model.usual_source
    # Check before ingesting and compiling, which takes half a minute.
    check_settings(settings)
    refuse_old_state(settings.var_dir)
    schedule(model, model_settings(model), settings.timezone)
    airflow = stack.local_airflow(settings)
    run_id: str | None = None
    try:
        with only_one_demo(settings):
            run_id = _run_going_on(airflow, model) if stack.is_up(airflow) else None
            if run_id:
                console.print(f"Run {run_id} is going on already: watching it instead of starting another.")
            else:
                if not stack.has_its_port(airflow):
                    stack.require_free(airflow.port)
                span = _ingest(settings, model, source, console)
                _tfx(settings, "compile the pipelines", "nightlite.deployment.in_tfx.compile")
                _start_warm_server(settings, model)
                airflow = stack.up(settings, console=console)
                with log_in(airflow) as rest:
                    switch_on(rest, model.pipeline_name, console)
                    if run_id := run_under_way(rest, model.pipeline_name):
                        console.print(f"Run {run_id} of Airflow's own comes first: watching it.", soft_wrap=True)
                        _watch(settings, rest, model, run_id, console)
                    # The span is named because an existing one need not be the newest.
                    run_id = rest.trigger(model.pipeline_name, {"span": str(span)}).dag_run_id
            with log_in(airflow) as rest:
                code = show_run(settings, rest, model, run_id, console, airflow.url)
    except KeyboardInterrupt:
        console.print(_interrupted(airflow, model, run_id), soft_wrap=True)
        return EXIT_INTERRUPTED
    console.print(f"Log in as: {USER}, password in {airflow.passwords_file}\nTo stop:   make down", soft_wrap=True)
    return code


def show_run(
    settings: Settings, rest: AirflowRest, model: OnDeviceModel, run_id: str, console: Console, ui_url: str
) -> int:
    """Watch the run until it finishes and print the result. Return the exit code of `demo`."""
    view, run = _watch(settings, rest, model, run_id, console)
    results = {task_id: result for task_id, result in view.results.items() if result}
    summary = summarize(results, run.state == "failed")
    if run.state == "success":
        _print_figures(summary, console)
    console.print(*summary_lines(summary, run.state), sep="\n", soft_wrap=True, markup=False)
    url = f"{ui_url}/dags/{model.pipeline_name}/runs/{run_id}"
    if report_page(results.values()):
        console.print(f"Its report: {url}/plugin/{REPORT_ROUTE}", soft_wrap=True, highlight=False)
    console.print(f"This run:  {url}", soft_wrap=True, highlight=False)
    return summary.exit_code


def log_in(airflow: LocalAirflow) -> AirflowRest:
    """Return a connection to the local Airflow."""
    return AirflowRest.login(airflow.url, USER, airflow.password())


def _run_going_on(airflow: LocalAirflow, model: OnDeviceModel) -> str | None:
    with log_in(airflow) as rest:
        run = rest.active_run(model.pipeline_name)
    return run.dag_run_id if run else None


def _watch(
    settings: Settings, rest: AirflowRest, model: OnDeviceModel, run_id: str, console: Console
) -> tuple[RunView, DagRun]:
    """Return the run's nodes and the run itself once it has finished. Print the nodes that failed."""
    view = RunView(rest, model.pipeline_name, run_id, node_order(settings, model))
    run = view.watch(console)
    if run.state != "success":
        print_failures(view, console)
    return view, run


@contextlib.contextmanager
def only_one_demo(settings: Settings) -> Iterator[None]:
    """Refuse a second demo of the same state folder.

    Raises:
      StackError: one is running.
    """
    settings.var_dir.mkdir(parents=True, exist_ok=True)
    with locks.try_file(settings.var_dir / "demo.lock") as other:
        if other:
            raise StackError(f"'make demo' is running already ({other}): wait for it, or watch its run in Airflow's UI")
        yield


def _ingest(settings: Settings, model: OnDeviceModel, source: str, console: Console) -> int:
    """Ingest without notifying Airflow, because the demo starts its own run. Return the span's number."""
    arguments = ("ingest", source, f"--model={model.name}", "--no-tell", "--json")
    answer = json.loads(
        _tfx(settings, "ingest the data", "nightlite.deployment.in_tfx.commands", *arguments, stdout=subprocess.PIPE)
    )
    console.print(answer["said"], soft_wrap=True, highlight=False, markup=False)
    return int(answer["span"])


def _tfx(settings: Settings, purpose: str, *arguments: str, stdout: int | None = None) -> str:
    """Run a command of the other environment. Its progress and errors go to the terminal.

    Return its stdout if `stdout` is a pipe.
    """
    command = [str(settings.tfx_python), "-m", *arguments]
    environment = os.environ | settings_environment(settings)
    try:
        done = subprocess.run(command, cwd=PROJECT, env=environment, check=False, text=True, stdout=stdout)
    except OSError as error:
        raise StackError(
            f"expected the TFX environment's Python at {settings.tfx_python}. "
            f"Received: {error.strerror}. Run 'make setup'"
        ) from None
    if done.returncode:
        raise StackError(f"could not {purpose}: the reason is above")
    return done.stdout or ""


def _start_warm_server(settings: Settings, model: OnDeviceModel) -> None:
    """Import TFX while Airflow starts, so that the first node need not wait for it."""
    if settings.runtime == "warm":
        subprocess.Popen(
            [str(settings.tfx_python), "-m", "nightlite.runner.in_tfx.warm.client", str(settings.compiled_file(model))],
            cwd=PROJECT,
            env=os.environ | settings_environment(settings),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )


def _print_figures(summary: RunSummary, console: Console) -> None:
    table = Table("", name_of([summary.tflite, summary.keras]), "size", title="What came out", title_justify="left")
    for name, metrics in (("Keras", summary.keras), ("TFLite", summary.tflite)):
        table.add_row(name, metrics.text, "" if metrics.bytes is None else f"{metrics.bytes:,} bytes")
    console.print(table)


def _interrupted(airflow: LocalAirflow, model: OnDeviceModel, run_id: str | None) -> str:
    again = f"'make demo MODEL={model.name}'"
    if run_id:
        return (
            f"\nNot watching any more; run {run_id} goes on. See it at {airflow.url}, watch it again with {again}, "
            "or stop it and Airflow with 'make down'."
        )
    return f"\nInterrupted before a run was started; nothing is half done. {again} takes it up again."
