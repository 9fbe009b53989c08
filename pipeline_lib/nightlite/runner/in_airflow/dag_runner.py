"""Renderer of a compiled TFX pipeline as an Airflow DAG: one task per node, with the pipeline's edges between them."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from airflow.sdk import DAG, Param, TaskGroup, TriggerRule, get_parsing_context
from airflow.sdk.exceptions import AirflowTimetableInvalid, ParamValidationError

from nightlite.errors import CompiledPipelineError, SettingsError
from nightlite.runner.compiled_pipeline import HOW_TO_COMPILE, CompiledPipeline, Node, Parameter
from nightlite.runner.in_airflow import component_docs
from nightlite.runner.in_airflow.config import AirflowPipelineConfig
from nightlite.runner.in_airflow.operators import TfxNodeOperator

_JSON_TYPES = {"int": "integer", "float": "number", "str": "string", "bool": "boolean"}


class AirflowDagRunner:
    """Runner that makes DAGs of compiled pipelines, as TFX's runner of that name makes them of pipelines.

    >>> dag = AirflowDagRunner(AirflowPipelineConfig(airflow_dag_config={"schedule": "@daily"})).run(compiled)
    """

    def __init__(self, config: AirflowPipelineConfig | None = None) -> None:
        self.config = config or AirflowPipelineConfig()
        self._components = {**self.config.components, **component_docs.COMPONENTS}

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
        compiled = compiled_pipeline
        if isinstance(compiled, Path):
            compiled = CompiledPipeline.read(compiled)
        # A run that has begun goes on with the pipeline that it began with.
        if not get_parsing_context().task_id:
            self._refuse_another_declaration(compiled)
        self.config.refuse_idle_patterns([node.id for node in compiled.nodes])
        dag = self._dag(compiled)
        groups = _task_groups(dag, component_docs.groups(compiled.nodes, self._components))
        tasks: dict[str, TfxNodeOperator] = {}
        for node in compiled.nodes:
            task = tasks[node.id] = self._task(dag, node, compiled_pipeline, compiled.parameters, groups.get(node.id))
            task.operator_extra_links = self.config.links(node, compiled)
            task.set_upstream([tasks[upstream] for upstream in node.upstream])
            if make_before := self.config.task_before(node.id):
                before = make_before(before=node.id, dag=dag, task_group=groups.get(node.id))
                before.set_upstream([tasks[upstream] for upstream in node.upstream])
                task.set_upstream(before)
                if getattr(before, "skip_passes", False):
                    task.trigger_rule = TriggerRule.NONE_FAILED
        for finish in self.config.finish:
            finish(dag)
        return dag

    def _refuse_another_declaration(self, compiled: CompiledPipeline) -> None:
        digests = (compiled.declaration, self.config.declaration)
        if all(digests) and len(set(digests)) > 1:
            raise CompiledPipelineError(
                f"{compiled.name}: expected a pipeline compiled from the model's declaration and run parameters as "
                f"they are. Received: one that was compiled before an edit of them: {HOW_TO_COMPILE}"
            )

    def _dag(self, compiled: CompiledPipeline) -> DAG:
        params = {parameter.name: _param(parameter) for parameter in self._with_defaults(compiled.parameters)}
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

    def _task(
        self,
        dag: DAG,
        node: Node,
        pipeline: CompiledPipeline | Path,
        parameters: tuple[Parameter, ...],
        group: TaskGroup | None,
    ) -> TfxNodeOperator:
        settings, doc = self.config.settings_of(node.id), component_docs.known(node, self._components)
        try:
            task = TfxNodeOperator(
                dag=dag,
                task_id=node.id,
                task_display_name=component_docs.display_name(node, doc),
                task_group=group,
                pipeline=pipeline,
                tfx_node_id=node.id,
                parameters=parameters,
                config=self.config,
                env=settings.env,
                doc_md=component_docs.doc_md(node, doc),
                **settings.task_arguments(),
            )
        except ValueError as error:
            raise CompiledPipelineError(
                f"node {node.id!r} cannot be an Airflow task ({error}): "
                f"rename it with .with_id(), then {HOW_TO_COMPILE}"
            ) from None
        task.ui_color = component_docs.color(doc)
        return task


def _task_groups(dag: DAG, found: Mapping[str, str]) -> dict[str, TaskGroup]:
    """Return the group of each node that has one, from the groups' names by node id."""
    made = {
        name: TaskGroup(name, prefix_group_id=False, group_display_name=name.capitalize(), tooltip=tooltip, dag=dag)
        for name, tooltip in component_docs.GROUPS.items()
        if name in found.values()
    }
    return {node_id: made[name] for node_id, name in found.items()}


def _param(parameter: Parameter) -> Param:
    schema = {"type": _JSON_TYPES[parameter.type], **parameter.json_schema}
    description = schema.pop("description", None)
    if parameter.default is None:
        return Param(description=description, schema=schema)
    param = Param(parameter.default, description=description, schema=schema)
    try:
        param.resolve()
    except ParamValidationError as error:
        reason = str(error).partition("\n")[0]
        raise CompiledPipelineError(f"run parameter {parameter.name}: its default is refused ({reason})") from None
    return param
