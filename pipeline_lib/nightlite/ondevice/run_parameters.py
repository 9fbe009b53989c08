"""Run parameters: the single source of their names, types, bounds and defaults.

Airflow's trigger form, TFX's RuntimeParameters, `nightlite trigger --help` and its check of parameters are made
from this model. Gates are rows of `gates/table.py`. To add another parameter, add a field here, in its section of
the form, and use it in `in_tfx/pipeline.py`. `make docs` writes it into docs/ and settings.env.example.
"""

import json
from collections.abc import Sequence
from typing import Any, Final, Literal

from pydantic import Field, ValidationError, create_model

from nightlite.errors import NodeRequestError
from nightlite.ondevice.approval import APPROVAL_RECORD
from nightlite.ondevice.gates.table import DATA, OF_MODELS
from nightlite.ondevice.training_parameters import TrainingParams, in_section
from nightlite.runner.compiled_pipeline import FORCE, Parameter

Push = Literal["yes", "even if no better", "dry run"]
Approval = Literal["none", "required"]

# The names used by the code that obeys them.
APPROVAL: Final = "approval"
DRY_RUN: Final = "dry run"
LATEST: Final = "latest"

_SECTIONS = ("Training", "File", "Gates", "Data", "Run")
_TYPES: dict[type, Literal["int", "float", "str", "bool"]] = {int: "int", float: "float", str: "str", bool: "bool"}
# No node mentions it: it would be part of the node's cache key.
_READ_BY_THE_RUN = frozenset({FORCE})


class _Told(TrainingParams):
    """The run parameters that are no bound of a gate."""

    span: str = Field(
        default=LATEST,
        pattern=r"^(latest|[1-9][0-9]{0,8})$",
        title="Data span",
        description="latest, or a number; a backfill's latest is its date's, never released over newer data",
        examples=["latest", "7"],
        # Also as a number, because over REST 7 means "7". The form shows the first type.
        json_schema_extra={**in_section("Data"), "type": ["string", "integer"], "minimum": 1, "maximum": 999_999_999},
    )
    window: int = Field(
        default=1,
        ge=1,
        le=1000,
        title="Window of spans",
        description="Trains on the last so many, up to that one",
        json_schema_extra=in_section("Data"),
    )
    force: bool = Field(
        default=False,
        title="Ignore the cache",
        description="Every node runs again, also where nothing changed; what it makes is cached for later runs",
        json_schema_extra=in_section("Run"),
    )
    push: Push = Field(
        default="yes",
        title="Push",
        description="Of the same data and code, yes releases only what is detectably better; a dry run only says so",
        json_schema_extra=in_section(
            "Run",
            {
                "yes": "yes: release a blessed model that is new or better",
                "even if no better": "even if no better: release any blessed model",
                "dry run": "dry run: release nothing",
            },
        ),
    )
    approval: Approval = Field(
        default="none",
        title="Approval",
        description="Whether a person must approve a blessed model before it is released",
        json_schema_extra=in_section(
            "Run", {"none": "none: the gates decide", "required": "required: a person decides"}
        ),
    )


def _bounds() -> dict[str, Any]:
    sections = [*((row, "Gates") for row in OF_MODELS), *((row, "Data") for row in DATA)]
    return {row.name: (type(row.default), row.parameter(section)) for row, section in sections}


class RunParams(create_model("Bounds", __base__=_Told, **_bounds())):  # type: ignore[misc]
    """Parameters of one run, with the nightly run's defaults.

    Those named `min_…` and `max_…` are the bounds of gates. Each allows a value that nothing meets.
    """


def parameters() -> tuple[Parameter, ...]:
    """Return the fields of RunParams in the compiled pipeline's form, in the order of the form's sections."""
    schema = RunParams.model_json_schema()["properties"]
    by_section = sorted(RunParams.model_fields.items(), key=lambda item: _SECTIONS.index(schema[item[0]]["section"]))
    return tuple(
        Parameter(
            name=name,
            type=_TYPES[type(field.default)],
            default=field.default,
            json_schema={key: value for key, value in schema[name].items() if key != "default"},
            read_by="run" if name in _READ_BY_THE_RUN else "nodes",
        )
        for name, field in by_section
    )


def facts() -> tuple[Parameter, ...]:
    """Return the parameters that Airflow sets, and no run may set itself.

    `as_of`: the ISO date whose data a run reads, "" for the newest. `approval_record`: JSON of a
    `nightlite.ondevice.approval.Approval`, "" if no one was asked.
    """
    names = ("as_of", APPROVAL_RECORD)
    return tuple(Parameter(name=name, type="str", default="", given_by="airflow") for name in names)


def checked_assignments(texts: Sequence[str]) -> dict[str, Any]:
    """Return `NAME=VALUE` as values by name, each allowed for this project's runs.

    Raises:
      NodeRequestError: as for `assignments`; or an unknown name, a wrong type, or a value out of bounds.
    """
    from nightlite.runner.parameter_text import assignments, bounds, unknown_names  # no parse of the DAG needs them

    offered = parameters()
    values, known = assignments(texts, offered), {parameter.name: parameter for parameter in offered}
    if unknown := sorted(set(values) - set(known)):
        raise NodeRequestError(unknown_names(unknown, known))
    try:
        RunParams.model_validate(values, strict=True)
    except ValidationError as error:
        name = str(error.errors()[0]["loc"][0])
        allowed = ", ".join(filter(None, (known[name].type, bounds(known[name]))))
        raise NodeRequestError(
            f"run parameter {name!r}: expected {allowed}. Received: {json.dumps(values[name])}"
        ) from None
    return values
