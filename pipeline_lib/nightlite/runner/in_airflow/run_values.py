"""A pipeline run's id and parameters in its tasks. Values are checked again there, and converted to TFX's types."""

import reprlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from airflow.sdk import Context, Param
from airflow.sdk.exceptions import AirflowFailException, ParamValidationError

from nightlite.errors import CompiledPipelineError
from nightlite.runner.compiled_pipeline import Parameter, require_json

_JSON_TYPES = {"int": "integer", "float": "number", "str": "string", "bool": "boolean"}


def _bool(value: Any) -> bool:
    if not isinstance(value, bool):  # bool("false") is True
        raise TypeError
    return value


def _str(value: Any) -> str:
    # JSON Schema takes 7.0 for an integer.
    return str(int(value) if isinstance(value, float) and value.is_integer() else value)


_CASTS: Mapping[str, Callable[[Any], bool | int | float | str]] = {
    **{"int": int, "float": float, "str": _str},
    "bool": _bool,
}


def schema_of(parameter: Parameter) -> dict[str, Any]:
    """Return the JSON schema of a parameter's values, in a new dictionary."""
    return {"type": _JSON_TYPES[parameter.type], **parameter.json_schema}


def param_of(parameter: Parameter) -> Param:
    """Return a run parameter as a Param.

    Raises:
      CompiledPipelineError: its default is none of its own values.
    """
    schema = schema_of(parameter)
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


def refusal(parameter: Parameter, value: Any) -> str:
    """Return why a run parameter's schema does not allow a value, or ""."""
    try:
        Param(value, schema=schema_of(parameter)).resolve()
    except ParamValidationError as error:
        return str(error).partition("\n")[0]
    return ""


def run_values(
    given: Mapping[str, Any], parameters: Sequence[Parameter], others: Collection[str] = ()
) -> dict[str, bool | int | float | str]:
    """Return the values of the pipeline's run parameters. `others` are names of the DAG's own parameters.

    Airflow checks declared parameters before the run exists, but lets a run carry any other name.

    Raises:
      AirflowFailException: a name is unknown, or a value is not of its parameter's type.
    """
    offered = [parameter for parameter in parameters if parameter.given_by == "user"]
    known = [parameter.name for parameter in offered]
    if unknown := sorted(set(given) - set(known) - set(others)):
        from nightlite.did_you_mean import did_you_mean  # no parse of the DAG needs it

        raise AirflowFailException(
            f"{did_you_mean(unknown, known)}Expected only run parameters that the pipeline has "
            f"({', '.join(known) or 'none'}). Received: {', '.join(reprlib.repr(name)[1:-1] for name in unknown)}"
        )
    values: dict[str, bool | int | float | str] = {}
    for parameter in offered:
        value = given.get(parameter.name)
        if value is None:
            continue
        try:
            # JSON Schema takes 5.0 for an integer, but TFX's types are strict.
            values[parameter.name] = _CASTS[parameter.type](value)
            require_json(values[parameter.name])
        except (ValueError, OverflowError, TypeError):
            wanted = ("finite " if parameter.type in ("int", "float") else "") + parameter.type
            raise AirflowFailException(
                f"run parameter {parameter.name}: expected a {wanted}. Received: {reprlib.repr(value)}"
            ) from None
    return values


class PipelineRun(Protocol):
    """Pipeline run that a task belongs to, known when the task is."""

    def run_id(self, context: Context) -> str:
        """Return the run's id for TFX, unique within its pipeline."""

    def values(self, context: Context, parameters: Sequence[Parameter]) -> dict[str, bool | int | float | str]:
        """Return the values of the pipeline's run parameters, without those that have their defaults.

        Raises:
          AirflowFailException: a name is unknown, or a value is refused.
        """


@dataclass(frozen=True)
class WholeDagRun:
    """Run of a pipeline that is a whole DAG: Airflow's run, with the DAG's parameters."""

    def run_id(self, context: Context) -> str:
        return str(context["run_id"])

    def values(self, context: Context, parameters: Sequence[Parameter]) -> dict[str, bool | int | float | str]:
        dag = context["task"].get_dag()
        return run_values(context["params"], parameters, dag.params if dag else ())


@dataclass(frozen=True)
class GroupRun:
    """Run of a pipeline that is a group of a DAG.

    Run ids are unique only within a DAG, and a DAG may hold a pipeline twice, so DAG and group are in the id. No run
    id, DAG id or group id holds an @. A foreign DAG's other parameters are its own affair.

    Attributes:
      dag_id, group_id: where the pipeline is.
      fixed: values by run parameter.
      from_dag: names of the DAG's parameters by run parameter.
    """

    dag_id: str
    group_id: str
    fixed: Mapping[str, Any] = field(default_factory=dict)
    from_dag: Mapping[str, str] = field(default_factory=dict)

    def run_id(self, context: Context) -> str:
        return f"{context['run_id']}@{self.dag_id}@{self.group_id}"

    def values(self, context: Context, parameters: Sequence[Parameter]) -> dict[str, bool | int | float | str]:
        said = {name: context["params"].get(source) for name, source in self.from_dag.items()}
        values = run_values({**self.fixed, **said}, parameters)
        # The DAG's own schema may be wider.
        of_dag = [parameter for parameter in parameters if parameter.name in said and parameter.name in values]
        for parameter in of_dag:
            if reason := refusal(parameter, values[parameter.name]):
                source = self.from_dag[parameter.name]
                raise AirflowFailException(f"run parameter {parameter.name}, the DAG's {source}: {reason}")
        return values
