"""Renderer of a compiled TFX pipeline as an Airflow DAG: one task per node, with the pipeline's edges between them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from airflow.sdk import DAG, TaskGroup, TriggerRule, get_parsing_context
from airflow.sdk.definitions.param import ParamsDict
from airflow.sdk.exceptions import AirflowTimetableInvalid

from nightlite.errors import CompiledPipelineError, SettingsError
from nightlite.runner.compiled_pipeline import CompiledPipeline, Node, Parameter
from nightlite.runner.in_airflow import component_docs
from nightlite.runner.in_airflow.component_docs import ComponentDoc
from nightlite.runner.in_airflow.config import AirflowPipelineConfig, NodeSettings
from nightlite.runner.in_airflow.operators import TfxNodeOperator
from nightlite.runner.in_airflow.run_values import PipelineRun, WholeDagRun, param_of


class AirflowDagRunner:
    """Runner that makes DAGs of compiled pipelines, as TFX's runner of that name makes them of pipelines.

    >>> dag = AirflowDagRunner(AirflowPipelineConfig(airflow_dag_config={"schedule": "@daily"})).run(compiled)
    """

    def __init__(self, config: AirflowPipelineConfig | None = None) -> None:
        self.config = config or AirflowPipelineConfig()

    def run(self, compiled_pipeline: CompiledPipeline | Path) -> DAG:
        """Render a compiled pipeline.

        Args:
          compiled_pipeline: the result of `compile_pipeline`, or its file.

        Returns:
          The DAG. Task ids are node ids, edges the nodes' `upstream`, params the pipeline's run parameters. The
          config's `tasks_before` have ids of their own. Task groups are no part of the ids.

        Raises:
          CompiledPipelineError: the file cannot be used, or was compiled before the declaration was edited. Or Airflow
            cannot take one of its names or defaults.
          SettingsError: the config holds values that Airflow's DAG does not take, or a pattern that matches no node.
            Or it has a default of a parameter that the pipeline does not have.
        """
        compiled = read_compiled(compiled_pipeline, self.config)
        dag = self._dag(compiled)
        NodeTasks(compiled, compiled_pipeline, self.config, WholeDagRun(), dag).add()
        for finish in self.config.finish:
            finish(dag)
        return dag

    def _dag(self, compiled: CompiledPipeline) -> DAG:
        params = {parameter.name: param_of(parameter) for parameter in self._with_defaults(compiled.parameters)}
        given = {"dag_id": compiled.name, **self.config.airflow_dag_config}
        try:
            dag = DAG(**{**given, "params": {**given.get("params", {}), **params}})
        except (TypeError, ValueError) as error:
            raise SettingsError(f"airflow_dag_config: expected what airflow.sdk.DAG takes. Received: {error}") from None
        try:
            # Airflow's own error on a cron expression would not say where it was written.
            dag.timetable.validate()
        except AirflowTimetableInvalid as error:
            raise SettingsError(
                f"schedule: expected a cron expression or preset ({error}). Received: {dag.schedule!r}"
            ) from None
        return dag

    def _with_defaults(self, parameters: tuple[Parameter, ...]) -> Iterator[Parameter]:
        defaults = self.config.parameter_defaults
        if unknown := sorted(set(defaults) - {parameter.name for parameter in parameters}):
            raise SettingsError(
                f"parameter_defaults: expected some of {', '.join(parameter.name for parameter in parameters)}. "
                f"Received: {', '.join(unknown)}"
            )
        for parameter in parameters:
            if parameter.given_by == "airflow":
                continue
            yield parameter.model_copy(update={"default": defaults.get(parameter.name, parameter.default)})


class _ComponentGroup(TaskGroup):
    """Task group of some of a pipeline's nodes. It is no part of their ids, but the group around it is."""

    def child_id(self, label: str) -> str:
        return str(self.parent_group.child_id(label)) if self.parent_group else label  # type: ignore[no-untyped-call]


def read_compiled(pipeline: CompiledPipeline | Path, config: AirflowPipelineConfig) -> CompiledPipeline:
    """Read a compiled pipeline, if it is a file, and check that the config fits it.

    Raises:
      CompiledPipelineError: the file cannot be used, or was compiled before the declaration was edited.
      SettingsError: a pattern of the config matches no node.
    """
    compiled = CompiledPipeline.read(pipeline) if isinstance(pipeline, Path) else pipeline
    digests = (compiled.declaration, config.declaration)
    # A run that has begun goes on with the pipeline that it began with.
    if all(digests) and len(set(digests)) > 1 and not get_parsing_context().task_id:
        raise CompiledPipelineError(
            f"{compiled.name}: expected a pipeline compiled from the model's declaration and run parameters as "
            f"they are. Received: one that was compiled before an edit of them: {compiled.how_to_compile}"
        )
    config.refuse_idle_patterns([node.id for node in compiled.nodes])
    return compiled


@contextmanager
def _params_aside(dag: DAG) -> Iterator[None]:
    """Keep a DAG's parameters from tasks that are made in the block.

    Airflow copies them into each task, which then also has them of its DAG, and checks every copy's schema when it
    serializes the DAG: 2 s for 100 tasks and 10 parameters instead of 0.03 s, at each parse.
    """
    params, dag.params = dag.params, ParamsDict()
    try:
        yield
    finally:
        dag.params = params


@dataclass(frozen=True)
class NodeTasks:
    """Maker of the tasks of a pipeline's nodes.

    Attributes:
      compiled: the pipeline; `source`: its file, or the pipeline itself, which the tasks get.
      config: settings of the nodes.
      run: tells a task its pipeline run's id and parameters.
      dag: gets the tasks; `group`: the group in it that the pipeline is, or None for the whole DAG.
    """

    compiled: CompiledPipeline
    source: CompiledPipeline | Path
    config: AirflowPipelineConfig
    run: PipelineRun
    dag: DAG
    group: TaskGroup | None = None

    def add(self) -> None:
        """Add all tasks to the DAG, with the tasks before them and the edges.

        Raises:
          CompiledPipelineError: Airflow cannot take a node's id.
        """
        with _params_aside(self.dag):
            self._add()

    def _add(self) -> None:
        groups = self._groups(component_docs.groups(self.compiled.nodes, self._components))
        tasks: dict[str, TfxNodeOperator] = {}
        for node in self.compiled.nodes:
            group = groups.get(node.id, self.group)
            task = tasks[node.id] = self._task(node, group)
            upstream = [tasks[node_id] for node_id in node.upstream]
            task.set_upstream(upstream)
            if make_before := self.config.task_before(node.id):
                before = make_before(before=node.id, dag=self.dag, task_group=group)
                before.set_upstream(upstream)
                task.set_upstream(before)
                if getattr(before, "skip_passes", False):
                    task.trigger_rule = TriggerRule.NONE_FAILED
            elif node.optional:  # run_node looks which of the others were skipped
                task.trigger_rule = TriggerRule.NONE_FAILED

    @cached_property
    def _components(self) -> Mapping[str, ComponentDoc]:
        return {**self.config.components, **component_docs.COMPONENTS, **self.config.components}

    def _groups(self, found: Mapping[str, str]) -> dict[str, TaskGroup]:
        """Return the group of each node that has one, from the groups' names by node id."""
        made = {
            name: _ComponentGroup(
                name,
                prefix_group_id=False,
                group_display_name=name.capitalize(),
                tooltip=tooltip,
                dag=self.dag,
                parent_group=self.group if self.group is not None else self.dag.task_group,
            )
            for name, tooltip in component_docs.GROUPS.items()
            if name in found.values()
        }
        return {node_id: made[name] for node_id, name in found.items()}

    def _task(self, node: Node, group: TaskGroup | None) -> TfxNodeOperator:
        settings = self.config.settings_of(node.id).over(NodeSettings.of(node))
        doc = component_docs.known(node, self._components)
        try:
            task = TfxNodeOperator(
                dag=self.dag,
                task_id=node.id,
                task_display_name=component_docs.display_name(node, doc),
                task_group=group,
                pipeline=self.source,
                tfx_node_id=node.id,
                parameters=self.compiled.parameters,
                pipeline_run=self.run,
                config=self.config,
                env=settings.env,
                doc_md=component_docs.doc_md(node, doc),
                **settings.task_arguments(),
            )
        except ValueError as error:
            raise CompiledPipelineError(
                f"node {node.id!r} cannot be an Airflow task ({error}): "
                f"rename it with .with_id(), then {self.compiled.how_to_compile}"
            ) from None
        task.ui_color = component_docs.color(doc)
        task.operator_extra_links = self.config.links(node, self.compiled)
        return task
