"""Operator that runs one node of a compiled TFX pipeline, in the TFX environment's interpreter."""

import json
import os
import shlex
import signal
import tempfile
import time
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException, AirflowTaskTimeout
from pydantic import ValidationError

from nightlite.paths import SOURCES, temporary_dir
from nightlite.runner.compiled_pipeline import CompiledPipeline, Parameter
from nightlite.runner.exit_codes import EXIT_FINAL, EXIT_OK, EXIT_SIGNAL, EXIT_SKIPPED, EXIT_USAGE
from nightlite.runner.in_airflow import metrics
from nightlite.runner.in_airflow.config import AirflowPipelineConfig
from nightlite.runner.in_airflow.run_values import PipelineRun
from nightlite.runner.log_levels import level_of
from nightlite.runner.node_result import NodeResult
from nightlite.runner.tfx_env.check import why_not

# Imported in the task, because every parse of a DAG imports this module.
if TYPE_CHECKING:
    from nightlite.runner.in_airflow.node_process import NodeProcess

_LAST_LINES = 20


class TfxNodeOperator(BaseOperator):
    """Operator that runs a node with `python -m nightlite.runner.in_tfx.run_node`, whose docstring is the contract.

    | run_node's exit code | the task |
    | --- | --- |
    | 0 | succeeds; its XCom is the NodeResult as JSON; its outlets' events carry the result |
    | 99 | is skipped, with the reason in its log and the NodeResult in its XCom |
    | 2, or the node cannot be started | fails and is not retried |
    | 3 | fails and is not retried: another try would fail the same way |
    | anything else, or a signal | fails and is retried if it has retries |

    The run id given to TFX is Airflow's, in a `TfxTaskGroup` with the DAG's and the group's id. Parameter values are
    data: nothing is templated.

    Args:
      pipeline: the compiled pipeline's file, or the compiled pipeline itself.
      tfx_node_id: the node to run.
      parameters: the pipeline's run parameters.
      pipeline_run: tells the pipeline run's id and its parameters' values.
      config: interpreter, project folder and grace.
      env: environment variables of the node's process, on top of the task's own.
    """

    template_fields = ()

    def __init__(
        self,
        *,
        pipeline: Path | CompiledPipeline,
        tfx_node_id: str,
        parameters: Sequence[Parameter],
        pipeline_run: PipelineRun,
        config: AirflowPipelineConfig,
        env: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.pipeline = pipeline
        self.tfx_node_id = tfx_node_id
        self.parameters = tuple(parameters)
        self.pipeline_run = pipeline_run
        self.config = config
        self.env = dict(env or {})
        self._process: NodeProcess | None = None
        self._result: NodeResult | None = None
        self._settled = False

    def execute(self, context: Context) -> dict[str, Any]:
        self._settled, started = False, time.monotonic()
        try:
            return self._execute(context)
        except (AirflowException, AirflowTaskTimeout) as error:
            if not self._settled and not isinstance(error, AirflowSkipException):
                self._settle(context, error, time.monotonic() - started)
            raise

    def _settle(self, context: Context, error: BaseException, seconds: float) -> None:
        """Count a node that left no result, and leave one for it."""
        killed = self._process and self._process.ending and not isinstance(error, AirflowTaskTimeout)
        state = "cancelled" if killed or isinstance(error, AirflowTaskTimeout) else "failed"
        about = {"node_id": self.tfx_node_id, "run_id": self.pipeline_run.run_id(context), "state": state}
        result = NodeResult.model_validate(about | {"reason": str(error), "seconds": round(seconds, 3)})
        self._emit(result)
        # Other tasks cannot read this log. Airflow lets a killed task leave nothing.
        if not killed:
            self._leave(context, result)

    def _execute(self, context: Context) -> dict[str, Any]:
        parameters = self.pipeline_run.values(context, self.parameters) | self._context_parameters(context)
        with tempfile.TemporaryDirectory(prefix=f"node-{os.getpid()}-", dir=temporary_dir()) as folder:
            result_path = Path(folder, "result.json")
            argv = self._argv(Path(folder), self.pipeline_run.run_id(context), parameters, result_path)
            exit_code, last_lines = self._run(argv)
            result = _read_result(result_path)
        if result:
            self._settled = True
            self._emit(result)
        if exit_code == EXIT_OK and result:
            for outlet in self.outlets:
                context["outlet_events"][outlet].extra = self._asset_extra(result)
            return result.model_dump(mode="json")
        if result:
            self._leave(context, result)
        self._raise(exit_code, (result and result.reason) or "\n".join(last_lines))

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """Return the node's artifacts and facts as lineage. Only Airflow's OpenLineage provider calls it."""
        from nightlite.runner.in_airflow.lineage.openlineage import lineage_of

        return lineage_of(self._result) if self._result else None

    def _emit(self, result: NodeResult) -> None:
        self._result = result
        metrics.emit(result, self.dag_id)
        for call in self.config.on_result:
            call(result, self.dag_id)

    def _asset_extra(self, result: NodeResult) -> dict[str, Any]:
        extra = {"node_id": result.node_id, "execution_id": result.execution_id}
        return extra | (self.config.asset_extra(result) if self.config.asset_extra else {})

    def _leave(self, context: Context, result: NodeResult) -> None:
        if self.do_xcom_push:
            context["ti"].xcom_push("return_value", result.model_dump(mode="json"))

    def on_kill(self) -> None:
        # Called from a signal handler. `execute` reads the log until the guard has ended the group.
        if self._process:
            self.log.info("ending %s: SIGTERM, and SIGKILL after %s s", self.tfx_node_id, self.config.grace_seconds)
            self._process.end()

    def _context_parameters(self, context: Context) -> dict[str, int | float | str]:
        known = {parameter.name for parameter in self.parameters if parameter.given_by == "airflow"}
        return {name: tell(context) for name, tell in self.config.context_parameters.items() if name in known}

    def _argv(self, folder: Path, run_id: str, parameters: Mapping[str, Any], result_path: Path) -> list[str]:
        pipeline_path, parameters_path = self.pipeline, folder / "parameters.json"
        if isinstance(pipeline_path, CompiledPipeline):
            from nightlite.runner.in_airflow.compiled_file import file_of

            pipeline_path = file_of(pipeline_path)
        parameters_path.write_text(json.dumps(parameters, ensure_ascii=False), encoding="utf-8")
        # One word per option: a run id may begin with a dash.
        return [
            str(self.config.tfx_python),
            *("-m", "nightlite.runner.in_tfx.run_node"),
            f"--pipeline={pipeline_path}",
            f"--node={self.tfx_node_id}",
            f"--run-id={run_id}",
            f"--parameters={parameters_path}",
            f"--result={result_path}",
            f"--grace={self.config.grace_seconds}",
            *(f"--own-env={name}" for name in sorted(self.env)),
            "--log-levels",
        ]

    def _run(self, argv: Sequence[str]) -> tuple[int, deque[str]]:
        from nightlite.runner.in_airflow.node_process import NodeProcess

        if reason := why_not(self.config.tfx_python, self.config.project_dir):
            raise AirflowFailException(f"{self.tfx_node_id} cannot be started: {reason}")
        self.log.info("%s", shlex.join(argv))
        last_lines: deque[str] = deque(maxlen=_LAST_LINES)
        try:
            self._process = NodeProcess(
                argv, cwd=self.config.project_dir, env=self._environment(), grace_seconds=self.config.grace_seconds
            )
        except OSError as error:
            raise AirflowFailException(
                f"cannot start {error.filename} ({error.strerror}): set NIGHTLITE_TFX_PYTHON to an interpreter"
            ) from None
        with self._process as process:
            try:
                self._stream(process, last_lines)
            except BaseException as error:
                process.end()
                self._stream(process, last_lines)
                if isinstance(error, AirflowTaskTimeout):
                    limit = f"its execution_timeout of {self.execution_timeout}"
                    raise AirflowTaskTimeout(f"{self.tfx_node_id} was ended: it ran longer than {limit}") from None
                raise
            return process.wait(), last_lines

    def _environment(self) -> dict[str, str]:
        own = {name: value for name, value in os.environ.items() if not name.startswith(self.config.hidden_env)}
        env = {**own, "PYTHONUNBUFFERED": "1", **self.env}
        # Airflow's PYTHONPATH would put its packages before TFX's. A node's settings may still add theirs.
        env["PYTHONPATH"] = os.pathsep.join([str(SOURCES), *filter(None, [self.env.get("PYTHONPATH")])])
        env.pop("PYTHONHOME", None)
        return env

    def _stream(self, process: "NodeProcess", last_lines: deque[str]) -> None:
        for line in process.lines():
            level, text = level_of(line)
            self.log.log(level, "%s", text)
            if text:
                last_lines.append(text)

    def _raise(self, exit_code: int, reason: str) -> NoReturn:
        node = self.tfx_node_id
        ended_by = -exit_code if exit_code < 0 else exit_code - EXIT_SIGNAL
        if exit_code == EXIT_SKIPPED:
            raise AirflowSkipException(reason)
        if exit_code == EXIT_OK:
            raise AirflowException(f"{node} exited with code 0 but left no result; its last lines:\n{reason}")
        if exit_code == EXIT_USAGE:
            raise AirflowFailException(f"{node} cannot be run as asked: {reason}")
        if exit_code == EXIT_FINAL:
            raise AirflowFailException(f"{node} failed: {reason}")
        if self._process and self._process.ending:
            raise AirflowException(f"{node} was killed, as Airflow asked")
        if ended_by == signal.SIGKILL:
            raise AirflowException(f"{node} was killed (SIGKILL), probably because memory ran out: {reason}")
        if ended_by in signal.valid_signals():
            raise AirflowException(f"{node} was ended by {signal.Signals(ended_by).name}: {reason}")
        raise AirflowException(f"{node} failed: {reason}")


def _read_result(path: Path) -> NodeResult | None:
    try:
        return NodeResult.read(path)
    except (OSError, ValidationError):
        return None
