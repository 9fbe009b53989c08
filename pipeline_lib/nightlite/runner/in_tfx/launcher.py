"""TFX's Launcher, made safe to retry and to kill.

Upstream: tensorflow/tfx#1754, closed as stale: a retry finds the failed try's output. For TFX 1.21.
"""

import contextlib
import logging
import shutil
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from ml_metadata.proto import metadata_store_pb2
from tfx.orchestration import metadata
from tfx.orchestration.local import runner_utils
from tfx.orchestration.portable import data_types, execution_publish_utils, launcher, resolver_node_handler
from tfx.orchestration.portable.input_resolution import exceptions
from tfx.orchestration.portable.mlmd import execution_lib
from tfx.proto.orchestration import execution_result_pb2, pipeline_pb2

from nightlite.errors import NodeRequestError
from nightlite.runner.compiled_pipeline import Hooks
from nightlite.runner.in_tfx import made_by, node_log
from nightlite.runner.in_tfx.beam import arguments, engine_jobs, forked_workers, memo, ports
from nightlite.runner.in_tfx.constructs import loops, resolver_handler
from nightlite.runner.in_tfx.mlmd import executions, lineage, running_nodes

Execution: TypeAlias = metadata_store_pb2.Execution


class NodeLauncher(launcher.Launcher):
    """Launcher of one node of one run, as in TFX, with three changes.

    A retry is a new execution: TFX would write into the failed try's folders and publish under its id. A failure's
    own message goes to MLMD: TFX records only that it failed, and not even that for a failed driver. A node in a loop
    has an execution for each of its inputs.
    """

    def __init__(
        self,
        pipeline: pipeline_pb2.Pipeline,
        node: pipeline_pb2.PipelineNode,
        store: metadata.Metadata,
        hooks: Hooks | None = None,
        optional: Collection[str] = (),
    ):
        deployment_config = runner_utils.extract_local_deployment_config(pipeline)
        for patches in (lineage, memo, ports, engine_jobs):
            patches.install()
        self._store = store
        self._node = node
        self._pipeline = pipeline
        self.hooks = hooks or Hooks()
        self._optional = optional  # nodes before it that may be skipped without it
        self.why_skipped = "its condition is false" if node.inputs.conditionals else "there is nothing to run it on"
        self.pipeline_name = pipeline.pipeline_info.id
        self.pipeline_root = pipeline.runtime_spec.pipeline_root.field_value.string_value
        self.last_node_id = pipeline.nodes[-1].pipeline_node.node_info.id
        contexts = {context.type.name: context.name.field_value.string_value for context in node.contexts.contexts}
        self._run_name, self._node_name = contexts["pipeline_run"], f"{contexts['pipeline']}.{node.node_info.id}"
        self._work_file = running_nodes.file_of(Path(self.pipeline_root), self._node_name, self._run_name)
        super().__init__(
            pipeline_node=node,
            mlmd_connection=store,
            pipeline_info=pipeline.pipeline_info,
            pipeline_runtime_spec=pipeline.runtime_spec,
            executor_spec=runner_utils.extract_executor_spec(deployment_config, node.node_info.id),
            custom_driver_spec=runner_utils.extract_custom_driver_spec(deployment_config, node.node_info.id),
        )
        if isinstance(self._system_node_handler, resolver_node_handler.ResolverNodeHandler):
            self._system_node_handler = resolver_handler.ResolverHandler()

    _system_node_handler: Any
    was_done = False
    executor_seconds = 0.0

    def launch_all(self) -> list[int]:
        """Launch the node, in a loop once for each input.

        Returns:
          Its executions, none if its condition is false or the loop has no input.

        Raises:
          NodeRequestError: a node upstream has not succeeded in this run, or a Pusher's Resolver has found no blessing.
            TFX would take that for a missing optional input, and push.
          Exception: any error of the executor.
        """
        if names := ", ".join(self._upstream_not_done()):
            if self._optional:  # Airflow starts it whichever nodes before it were skipped
                self.why_skipped = f"it needs {names}, skipped in this run or not run yet"
                return []
            raise NodeRequestError(f"expected {names} to have succeeded in this run; run it first")
        with contextlib.ExitStack() as stack:
            with contextlib.suppress(OSError):  # a full disk, for example; the node will report it
                stack.enter_context(running_nodes.held(self._work_file, self._run_name))
            self._close(self._run_name, "an earlier try of this node ended without a word")
            self._close_dead_runs()
            try:
                launched = self._executions_of_passes()
            except Exception as error:
                # TFX closes the execution of a failed executor, but not of a failed driver.
                with contextlib.suppress(Exception):  # the store may be what failed
                    self._close(self._run_name, f"{type(error).__name__}: {error}")
                    running_nodes.remove(self._work_file)
                raise
            running_nodes.remove(self._work_file)
            return launched

    def _executions_of_passes(self) -> list[int]:
        launchers = [self]
        if loops.is_loop(self._node):
            with contextlib.suppress(exceptions.InputResolutionError):  # TFX's launcher records it
                nodes = loops.passes(self._node, self._store)
                launchers = [NodeLauncher(self._pipeline, node, self._store, self.hooks) for node in nodes]
        infos = []
        for one in launchers:
            try:
                infos.append(one.launch())
            finally:
                if one is not self:
                    self.executor_seconds += one.executor_seconds
        self.was_done = bool(infos) and all(one.was_done for one in launchers)
        return [info.execution_id for info in infos if info and info.execution_id]

    def _upstream_not_done(self) -> list[str]:
        pipeline = self._node_name.removesuffix(self._node.node_info.id)
        with self._store as handle:
            return [
                node_id
                for node_id in sorted({*self._node.upstream_nodes} - {*self._optional})
                if not any(
                    execution_lib.is_execution_successful(execution)
                    for execution in executions.of_node(handle.store, self._run_name, f"{pipeline}{node_id}")
                )
            ]

    def abandon(self, reason: str, state: int = Execution.FAILED) -> list[int]:
        """Close this node's open executions in this run, and remove the outputs that they had begun to write.

        Do nothing while a later try is running: it has closed them, and the open ones are its own.

        Returns:
          The ids of the executions closed.
        """
        with running_nodes.left_by_dead(self._work_file) as left:
            if left is None:
                return []
            closed = self._close(self._run_name, reason, state)
            running_nodes.remove(self._work_file)
        return closed

    def _close_dead_runs(self) -> None:
        """Close executions killed in their run's last try, which no later try of that run would close."""
        for file in running_nodes.files_of(Path(self.pipeline_root), self._node_name):
            with running_nodes.left_by_dead(file) as run:
                if file == self._work_file or run is None:
                    continue
                try:
                    closed = self._close(run, "its last try ended without a word") if run else []
                except Exception as error:
                    why = f"what run {run} left is still there: {type(error).__name__}: {error}"
                    node_log.say(why, logging.WARNING)
                    continue
                running_nodes.remove(file)
                if closed:
                    print(f"closed what a killed try of run {run} had left (execution {closed[-1]})", flush=True)

    def _close(self, run: str, reason: str, state: int = Execution.FAILED) -> list[int]:
        engine_jobs.cancel(running_nodes.file_of(Path(self.pipeline_root), self._node_name, run))  # writers
        result = execution_result_pb2.ExecutionResult(code=1, result_message=reason)
        with self._store as handle:
            found = executions.of_node(handle.store, run, self._node_name)
            open_ones = [execution for execution in found if execution_lib.is_execution_active(execution)]
            for execution in open_ones:
                execution.last_known_state = state
                execution_lib.set_execution_result(result, execution)
            if open_ones:
                handle.store.put_executions(open_ones)
        for execution in open_ones:
            for folder in self._output_folders(execution.id):
                if folder.exists():
                    shutil.rmtree(folder)
        return [execution.id for execution in open_ones]

    def _output_folders(self, execution_id: int) -> list[Path]:
        artifacts = self._output_resolver.generate_output_artifacts(execution_id).values()
        places = [Path(item.uri) for items in artifacts for item in items if not item.is_external]
        # The URI of a number or a text is the file in its folder.
        return [place if place.name == str(execution_id) else place.parent for place in places]

    def _run_executor(self, execution_info: data_types.ExecutionInfo) -> execution_result_pb2.ExecutorOutput:
        made_by.mark_outputs(execution_info)
        arguments.choose(self._executor_operator, execution_info)
        started = time.monotonic()
        try:
            with engine_jobs.recorded(self._work_file):
                return super()._run_executor(execution_info)
        finally:
            self.executor_seconds = time.monotonic() - started

    def _register_or_reuse_execution(
        self,
        metadata_handle: metadata.Metadata,
        contexts: Sequence[metadata_store_pb2.Context],
        input_artifacts: Any = None,
        exec_properties: Mapping[str, Any] | None = None,
    ) -> Execution:
        if input_artifacts is not None and (missing := resolver_handler.missing_blessing(self._node, input_artifacts)):
            raise NodeRequestError(missing)
        for execution in execution_lib.get_executions_associated_with_all_contexts(metadata_handle, contexts):
            if (
                execution_lib.is_execution_successful(execution)
                and self._was_asked(execution, exec_properties or {})
                and executions.had_inputs(metadata_handle.store, execution, input_artifacts or {})
            ):
                self.was_done = True
                return execution
        return execution_publish_utils.register_execution(
            metadata_handle=metadata_handle,
            execution_type=self._node.node_info.type,
            contexts=contexts,
            input_artifacts=input_artifacts,
            exec_properties=exec_properties,
        )

    def _build_error_output(self, code: int, msg: str | None = None) -> execution_result_pb2.ExecutorOutput:
        return resolver_handler.with_cause(super()._build_error_output(code, msg))

    def _was_asked(self, execution: Execution, exec_properties: Mapping[str, Any]) -> bool:
        """Return whether an execution of this run had the present values of `asked_again`."""
        recorded = execution.custom_properties
        return all(
            (recorded[name].string_value if name in recorded else "") == exec_properties[name]
            for name in self.hooks.asked_again
            if name in exec_properties
        )

    def _publish_failed_execution(
        self,
        execution_id: int,
        contexts: Sequence[metadata_store_pb2.Context],
        executor_output: execution_result_pb2.ExecutorOutput | None = None,
    ) -> None:
        error = sys.exc_info()[1]
        if executor_output is None and error is not None:
            executor_output = self._build_error_output(code=1, msg=forked_workers.in_words(error))
        super()._publish_failed_execution(execution_id, contexts, executor_output)
