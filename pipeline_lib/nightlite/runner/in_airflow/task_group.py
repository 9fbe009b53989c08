"""Task group that is a compiled TFX pipeline, inside a DAG of someone else's."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, TaskGroup
from airflow.sdk.definitions.param import DagParam
from airflow.sdk.definitions.taskgroup import MappedTaskGroup

from nightlite.errors import SettingsError
from nightlite.runner.compiled_pipeline import CompiledPipeline, Parameter
from nightlite.runner.in_airflow.config import AirflowPipelineConfig
from nightlite.runner.in_airflow.dag_runner import NodeTasks, read_compiled
from nightlite.runner.in_airflow.run_values import GroupRun, param_of, refusal

# Values of a config that only a whole DAG can have, and where they belong instead.
_OF_A_DAG = {
    "airflow_dag_config": "give them to the DAG itself",
    "parameter_defaults": "give them as the group's `parameters`",
    "finish": "call them with the DAG when all its tasks are in it",
}


class TfxTaskGroup(TaskGroup):
    """Task group of a compiled pipeline's nodes.

    Task ids have the group's prefix, node ids do not. Each group is a run of its own in MLMD, so one pipeline can be
    twice in a DAG.

    >>> with DAG("weekly", params={"epochs": 3}) as dag:
    ...     train = TfxTaskGroup("train", pipeline=Path("flowers.json"), parameters={"epochs": dag.param("epochs")})
    ...     before >> train >> after

    Args:
      group_id: as of any task group.
      pipeline: the result of `compile_pipeline`, or its file.
      config: settings of the nodes, without what is the DAG's.
      parameters: by run parameter of the pipeline: a value, or a parameter of the DAG as `dag.param(name)`. The others
        have the pipeline's defaults.
      add_params: adds the pipeline's other parameters to the DAG's, so that a run can set them.
      task_group: other arguments of `airflow.sdk.TaskGroup`.

    Raises:
      CompiledPipelineError: the file cannot be used, or Airflow cannot take one of its names.
      SettingsError: a parameter or a value of the config is refused, or the group is within a mapped one.
    """

    def __init__(
        self,
        group_id: str,
        *,
        pipeline: CompiledPipeline | Path,
        config: AirflowPipelineConfig | None = None,
        parameters: Mapping[str, Any] | None = None,
        add_params: bool = False,
        **task_group: Any,
    ) -> None:
        config = config or AirflowPipelineConfig()
        for name, instead in _OF_A_DAG.items():
            if getattr(config, name):
                raise SettingsError(
                    f"TfxTaskGroup {group_id}: expected a config without {name}, which is a DAG's: {instead}"
                )
        compiled = read_compiled(pipeline, config)
        named = {"tooltip": f"The TFX pipeline {compiled.name}", **task_group}
        super().__init__(group_id, prefix_group_id=True, **named)
        self._refuse_mapped()
        # With the prefix of the groups around it.
        full_id = str(self.group_id)
        run = _group_run(self.dag, full_id, compiled.parameters, parameters or {}, add_params)
        NodeTasks(compiled, pipeline, config, run, self.dag, self).add()

    def _refuse_mapped(self) -> None:
        group = self.parent_group
        while group is not None:
            if isinstance(group, MappedTaskGroup):
                raise SettingsError(
                    f"TfxTaskGroup {self.group_id}: expected a place outside of mapped task groups (`expand`), because "
                    f"MLMD has one run per group. Received: one within {group.group_id}. Make a group per value in a "
                    "loop instead"
                )
            group = group.parent_group


def _group_run(
    dag: DAG, group_id: str, parameters: tuple[Parameter, ...], given: Mapping[str, Any], add_params: bool
) -> GroupRun:
    """Return the run of a pipeline that is a group of a DAG, with all its parameters' values or sources.

    Args:
      parameters: the pipeline's run parameters.
      given: by name: a value, or a parameter of the DAG as `dag.param(name)`.
      add_params: adds the parameters that are not given to the DAG's own.

    Raises:
      SettingsError: a name is unknown, a value is refused, or a parameter has neither value nor default.
    """
    offered = {parameter.name: parameter for parameter in parameters if parameter.given_by == "user"}
    where = f"TfxTaskGroup {group_id}, parameters"
    if unknown := sorted(set(given) - set(offered)):
        from nightlite.runner.parameter_text import unknown_names  # no parse of the DAG needs it

        raise SettingsError(f"{where}: {unknown_names(unknown, offered)}")
    added = {name: name for name in offered if add_params and name not in given}
    for name in added:
        _add(dag, offered[name], where)
    mapped = {name: str(value.serialize()["name"]) for name, value in given.items() if isinstance(value, DagParam)}
    fixed = {name: value for name, value in given.items() if name not in mapped}
    for name, value in (fixed | {name: _default(dag, source, where) for name, source in mapped.items()}).items():
        if not (name in mapped and value is None) and (reason := refusal(offered[name], value)):
            raise SettingsError(f"{where}: {name} is refused ({reason}). Received: {value!r}")
    for name, parameter in offered.items():
        if parameter.default is None and name not in (fixed | mapped | added):
            raise SettingsError(f"{where}: expected a value of {name}, which has no default. Received: none")
    return GroupRun(dag.dag_id, group_id, fixed=fixed, from_dag=mapped | added)


def _add(dag: DAG, parameter: Parameter, where: str) -> None:
    param, name = param_of(parameter), parameter.name
    if name not in dag.params:
        dag.params[name] = param
    elif dag.params.get_param(name).dump() != param.dump():
        raise SettingsError(
            f"{where}: the DAG has a parameter {name} of its own. Give the pipeline's a value, or the DAG's: "
            f"parameters={{{name!r}: dag.param({name!r})}}"
        )


def _default(dag: DAG, name: str, where: str) -> Any:
    """Return the default of a DAG's parameter, None if it has none."""
    if name not in dag.params:
        from nightlite.did_you_mean import did_you_mean  # no parse of the DAG needs it

        names = list(dag.params)
        raise SettingsError(
            f"{where}: {did_you_mean([name], names)}Expected a parameter of the DAG {dag.dag_id} "
            f"({', '.join(names) or 'none'}). Received: {name}"
        )
    param = dag.params.get_param(name)
    return param.value if param.has_value else None
