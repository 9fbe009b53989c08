"""Run parameters of a model: its training parameters, the gates' bounds, and the run options.

This is the single source of their names, types, bounds and defaults. Airflow's trigger form, TFX's RuntimeParameters,
`nightlite trigger --help` and its check of parameters are made from it. To add one, add a field to the model's
training parameters or to `RunOptions`, or a row to `gates/table.py`. `make docs` writes it into docs/.
"""

import hashlib
import json
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, ValidationError, create_model

from nightlite.errors import ModelDeclarationError, NodeRequestError
from nightlite.ondevice.approval import APPROVAL_RECORD
from nightlite.ondevice.gates.rows import rows_of
from nightlite.ondevice.gates.table import DATA, OF_MODELS
from nightlite.ondevice.model import OnDeviceModel
from nightlite.ondevice.run_options import RunOptions
from nightlite.ondevice.settable import BY_RUNS
from nightlite.runner.compiled_pipeline import FORCE, Parameter
from nightlite.runner.hooks import load

_SECTIONS = ("Training", "File", "Gates", "Data", "Run")
_TYPES: dict[type, Literal["int", "float", "str", "bool"]] = {int: "int", float: "float", str: "str", bool: "bool"}
# No node mentions it: it would be part of the node's cache key.
_READ_BY_THE_RUN = frozenset({FORCE})
# Parts of a declaration that are read when they are used. No compiled pipeline holds them.
_NOT_COMPILED = frozenset({"ingest", "sources", "predict", "schedule"})


def training_params(model: OnDeviceModel) -> type[BaseModel]:
    """Return the model's own class of training parameters.

    Raises:
      ModelDeclarationError: it is no pydantic model.
    """
    found = load(model.training_parameters)
    if not (isinstance(found, type) and issubclass(found, BaseModel)):
        raise ModelDeclarationError(
            f"{model.name}: expected training_parameters to name a pydantic model. "
            f"Received: {model.training_parameters}"
        )
    return found


def _bounds(model: OnDeviceModel) -> dict[str, Any]:
    sections = {"Gates": rows_of(OF_MODELS, model.task), "Data": rows_of(DATA, model.task)}
    known = {row.name: row.default for rows in sections.values() for row in rows} | dict(model.gate_bounds)
    if missing := [name for name, bound in known.items() if bound is None]:
        unit = f"in {model.task.unit}, " if model.task.unit else ""
        raise ModelDeclarationError(
            f"{model.name}: expected gate_bounds of a {model.task.kind}, {unit}for no default fits every label. "
            f"Received: none of {', '.join(missing)}"
        )
    return {
        row.name: (row.type, row.parameter(section, known[row.name] or 0))
        for section, rows in sections.items()
        for row in rows
    }


def run_params(model: OnDeviceModel) -> type[BaseModel]:
    """Return the class of the parameters of one run, with the nightly run's defaults.

    Those named `min_…` and `max_…` are the bounds of gates. Each allows a value that nothing meets.

    Raises:
      ModelDeclarationError: the model's own parameters, or its bounds of gates, are no such or lack one without a
        default; or a parameter has the name of an option or a gate.
    """
    bounds, training = _bounds(model), training_params(model)
    if unknown := sorted(set(model.gate_bounds) - set(bounds)):
        raise ModelDeclarationError(
            f"{model.name}: expected gate_bounds of a {model.task.kind}'s gates. Received: {', '.join(unknown)}"
        )
    if taken := sorted(set(training.model_fields) & {*RunOptions.model_fields, *bounds}):
        raise ModelDeclarationError(
            f"{model.name}: expected training parameters of other names than run options and gates. "
            f"Received: {', '.join(taken)}"
        )
    return create_model("RunParams", __base__=(training, RunOptions), **bounds)


def parameters(model: OnDeviceModel) -> tuple[Parameter, ...]:
    """Return the fields of `run_params` in the compiled pipeline's form, in the order of the form's sections."""
    params = run_params(model)
    schema = params.model_json_schema()["properties"]
    sections = {name: described.setdefault("section", _SECTIONS[0]) for name, described in schema.items()}
    by_section = sorted(params.model_fields.items(), key=lambda item: _SECTIONS.index(sections[item[0]]))
    return tuple(
        Parameter(
            name=name,
            type=_TYPES[type(field.default)],
            default=field.default,
            json_schema={key: value for key, value in schema[name].items() if key not in ("default", *BY_RUNS)},
            read_by="run" if name in _READ_BY_THE_RUN else "nodes",
        )
        for name, field in by_section
    )


def context_parameters() -> tuple[Parameter, ...]:
    """Return the parameters that Airflow sets, and no run may set itself.

    `as_of`: the ISO date whose data a run reads, "" for the newest. `approval_record`: JSON of a
    `nightlite.ondevice.approval.Approval`, "" if no one was asked.
    """
    names = ("as_of", APPROVAL_RECORD)
    return tuple(Parameter(name=name, type="str", default="", given_by="airflow") for name in names)


def declaration(model: OnDeviceModel) -> str:
    """Return a digest of the declaration and the run parameters, as far as a compiled pipeline is made of them."""
    declared = model.model_dump(mode="json", exclude=set(_NOT_COMPILED))
    offered = [parameter.model_dump(mode="json") for parameter in parameters(model)]
    return hashlib.sha256(json.dumps([declared, offered], sort_keys=True).encode()).hexdigest()


def checked_assignments(texts: Sequence[str], model: OnDeviceModel) -> dict[str, Any]:
    """Return `NAME=VALUE` as values by name, each allowed for this model's runs.

    Raises:
      NodeRequestError: as for `assignments`; or an unknown name, a wrong type, or a value out of bounds.
    """
    from nightlite.runner.parameter_text import assignments, bounds, unknown_names  # no parse of the DAG needs them

    offered = parameters(model)
    values, known = assignments(texts, offered), {parameter.name: parameter for parameter in offered}
    if unknown := sorted(set(values) - set(known)):
        raise NodeRequestError(unknown_names(unknown, known))
    try:
        run_params(model).model_validate(values, strict=True)
    except ValidationError as error:
        name = str(error.errors()[0]["loc"][0])
        allowed = ", ".join(filter(None, (known[name].type, bounds(known[name]))))
        raise NodeRequestError(
            f"run parameter {name!r}: expected {allowed}. Received: {json.dumps(values[name])}"
        ) from None
    return values
