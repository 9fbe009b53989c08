"""Run parameters inside JSON exec properties.

TFX compiles a RuntimeParameter only if it is a whole exec property. A Trainer's `custom_config` and an Evaluator's
`eval_config` are one JSON string each. TFX's IR has the means: a `structural_runtime_parameter` is a string made of
constants and parameters. `nest` turns each JSON exec property that holds RuntimeParameters into one. `bind` fills in
everything for one run, and records the values in the run's context in MLMD.

Upstream: tensorflow/tfx#4140, open, for Transform; none filed for the rest. For TFX 1.21.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from google.protobuf.message import Message
from tfx.orchestration import data_types, data_types_utils
from tfx.orchestration.portable import runtime_parameter_utils
from tfx.proto.orchestration import pipeline_pb2

from nightlite.errors import CompiledPipelineError, NodeRequestError
from nightlite.runner.compiled_pipeline import Parameter
from nightlite.runner.parameter_text import unknown_names

RunValue = int | float | str | data_types.RuntimeParameter

_PYTHON_TYPES: dict[str, type] = {"int": int, "float": float, "str": str, "bool": bool}
_IR_TYPES = {
    int: pipeline_pb2.RuntimeParameter.INT,
    float: pipeline_pb2.RuntimeParameter.DOUBLE,
    str: pipeline_pb2.RuntimeParameter.STRING,
}
_IR_NAMES = {ir_type: python_type.__name__ for python_type, ir_type in _IR_TYPES.items()}
# TFX adds this one to every pipeline itself.
PIPELINE_RUN_ID = "pipeline-run-id"
# Our own: all parameters of a run as JSON, for the nodes that pass them on.
EVERY_VALUE = "run-parameters"
_RUN_CONTEXT = "pipeline_run"


def run_name(pipeline_name: str, run_id: str) -> str:
    """Return the name of a run's context in MLMD.

    Airflow's run ids are unique only within a DAG: two that start at 02:00 have the same. TFX would give both runs one
    context, with the parameters and the pipeline of the first.
    """
    return f"{pipeline_name}.{run_id}"


def runtime_parameter(parameter: Parameter) -> data_types.RuntimeParameter:
    """Return TFX's form of one of our run parameters."""
    return data_types.RuntimeParameter(
        name=parameter.name, ptype=_PYTHON_TYPES[parameter.type], default=parameter.default
    )


def every_value() -> data_types.RuntimeParameter:
    """Return a placeholder for all parameters of a run: a JSON object by name, without those that Airflow sets."""
    return data_types.RuntimeParameter(name=EVERY_VALUE, ptype=str, default="{}")


def nest(pipeline: pipeline_pb2.Pipeline) -> None:
    """Make JSON exec properties that hold RuntimeParameters into structural ones, in place."""
    for node in _nodes(pipeline):
        for value in node.parameters.parameters.values():
            text = value.field_value.string_value
            if "RuntimeParameter" in text:
                parts = list(_parts(json.loads(text)))
                value.ClearField("field_value")
                value.structural_runtime_parameter.parts.extend(parts)


def _parts(form: Any) -> Iterator[pipeline_pb2.StructuralRuntimeParameter.StringOrRuntimeParameter]:
    found: list[dict[str, Any]] = []

    def mark(item: Any) -> Any:
        if isinstance(item, str) and '"RuntimeParameter"' in item:
            item = json.loads(item)  # TFX encodes a str-typed one twice
        if isinstance(item, dict):
            if item.get("__class__") == "RuntimeParameter":
                found.append(item)
                return f"\0{len(found) - 1}\0"
            return {key: mark(child) for key, child in item.items()}
        return [mark(child) for child in item] if isinstance(item, list) else item

    text = json.dumps(mark(form), sort_keys=True)
    for index, piece in enumerate(re.split(r'"\\u0000(\d+)\\u0000"', text)):
        part = pipeline_pb2.StructuralRuntimeParameter.StringOrRuntimeParameter()
        if index % 2 == 0:
            part.constant_value = piece
        else:
            _fill(part.runtime_parameter, found[int(piece)])
        yield part


def _fill(message: pipeline_pb2.RuntimeParameter, form: Mapping[str, Any]) -> None:
    ptype = _PYTHON_TYPES[form["ptype"]["__class__"]]
    message.name, message.type = form["name"], _IR_TYPES[ptype]
    if (default := form.get("default")) is not None:
        field = {int: "int_value", float: "double_value", str: "string_value"}[ptype]
        setattr(message.default_value, field, ptype(default))


def declared(pipeline: pipeline_pb2.Pipeline) -> tuple[Parameter, ...]:
    """Return every RuntimeParameter of the IR, by name, except those that no run can set.

    Raises:
      CompiledPipelineError: two nodes have different ones of one name.
    """
    found: dict[str, Parameter] = {}
    for node in _nodes(pipeline):
        for message in _runtime_parameters(node):
            if message.name in ("", PIPELINE_RUN_ID, EVERY_VALUE):
                continue
            one = _parameter(message)
            if found.setdefault(one.name, one) != one:
                raise CompiledPipelineError(
                    f"{node.node_info.id}: expected one type and one default of the RuntimeParameter {one.name!r}. "
                    f"Received: {_in_words(found[one.name])} and {_in_words(one)}"
                )
    return tuple(found[name] for name in sorted(found))


def _in_words(parameter: Parameter) -> str:
    return f"{parameter.type} {'without a default' if parameter.default is None else repr(parameter.default)}"


def _runtime_parameters(message: Message) -> Iterator[pipeline_pb2.RuntimeParameter]:
    """Yield the RuntimeParameters anywhere in a message."""
    if isinstance(message, pipeline_pb2.RuntimeParameter):
        yield message
        return
    for field, value in message.ListFields():
        if field.type != field.TYPE_MESSAGE:
            continue
        is_map = field.message_type.GetOptions().map_entry
        children = [value[key] for key in sorted(value)] if is_map else value if field.is_repeated else [value]
        for child in children:
            if isinstance(child, Message):
                yield from _runtime_parameters(child)


def _parameter(message: pipeline_pb2.RuntimeParameter) -> Parameter:
    kind = message.default_value.WhichOneof("value")
    default = getattr(message.default_value, kind) if kind else None
    return Parameter.model_validate({"name": message.name, "type": _IR_NAMES[message.type], "default": default})


def bind(
    pipeline: pipeline_pb2.Pipeline, run_id: str, parameters: tuple[Parameter, ...], values: Mapping[str, Any]
) -> dict[str, Any]:
    """Fill the run id and every run parameter into the IR, in place.

    Args:
      pipeline: the result of `nest`.
      run_id: the pipeline run, unique within its pipeline.
      parameters: the pipeline's run parameters.
      values: by name. Missing ones get their default.

    Returns:
      The values that the run uses, by name, including the parameters that Airflow sets.

    Raises:
      NodeRequestError: an unknown name, a wrong type, or no value for a parameter without a default.
    """
    known = {parameter.name: parameter for parameter in parameters}
    if unknown := sorted(set(values) - set(known)):
        offered = [name for name, parameter in known.items() if parameter.given_by == "user"]
        raise NodeRequestError(unknown_names(unknown, offered))
    used = {name: _checked(parameter, values.get(name, parameter.default)) for name, parameter in known.items()}
    told = {name: value for name, value in used.items() if known[name].given_by == "user"}
    name = run_name(pipeline.pipeline_info.id, run_id)
    bindings = {**used, PIPELINE_RUN_ID: name, EVERY_VALUE: json.dumps(told, sort_keys=True)}
    for node in _nodes(pipeline):
        for value in node.parameters.parameters.values():
            if value.HasField("structural_runtime_parameter"):
                text = "".join(
                    part.constant_value or json.dumps(bindings[part.runtime_parameter.name])
                    for part in value.structural_runtime_parameter.parts
                )
                value.Clear()
                value.field_value.string_value = text
    runtime_parameter_utils.substitute_runtime_parameter(pipeline, bindings)
    pipeline.runtime_spec.pipeline_run_id.field_value.string_value = run_id  # what executors are told
    _record(pipeline, told)
    return used


def _record(pipeline: pipeline_pb2.Pipeline, values: Mapping[str, Any]) -> None:
    """Record the values in custom properties of the run's context, which no cache key includes."""
    for node in _nodes(pipeline):
        for context in node.contexts.contexts:
            if context.type.name == _RUN_CONTEXT:
                for name, value in values.items():
                    data_types_utils.set_parameter_value(context.properties[name], value, set_schema=False)


def _checked(parameter: Parameter, value: Any) -> Any:
    expected = _PYTHON_TYPES[parameter.type]
    if expected is float and type(value) is int:
        value = float(value)  # JSON writes 1.0 as 1
    if type(value) is not expected:
        raise NodeRequestError(f"run parameter {parameter.name!r}: expected {parameter.type}. Received: {value!r}")
    return value


def _nodes(pipeline: pipeline_pb2.Pipeline) -> Iterator[pipeline_pb2.PipelineNode]:
    return (node.pipeline_node for node in pipeline.nodes)
