"""What a run can be told: the single source of the run parameters' names, types, bounds and defaults.

Airflow's trigger form and TFX's RuntimeParameters are both made from this model. To add one, add a field here
and use it in `pipeline_lib/tfx/pipeline.py`.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from pipeline_lib.graph import Parameter

_TYPES: dict[type, Literal["int", "float", "str"]] = {int: "int", float: "float", str: "str"}


class RunParams(BaseModel):
    """Parameters of one run; defaults are what the nightly run uses."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: int = Field(
        default=20, ge=1, le=500, title="Epochs", description="Passes over the training split; at least 30 steps each"
    )
    batch_size: int = Field(default=64, ge=1, le=4096, title="Batch size", description="Examples per training step")
    learning_rate: float = Field(
        default=0.005, gt=0, le=1, title="Learning rate", description="Peak of the one-cycle schedule"
    )
    seed: int = Field(default=1, ge=0, le=2**31 - 1, title="Seed", description="Same seed, same data: same metrics")
    min_accuracy: float = Field(
        default=0.97,
        ge=0,
        le=1.01,
        title="Least accuracy",
        description="An Evaluator refuses a model below it; a bound above 1 refuses every model",
    )
    min_class_accuracy: float = Field(
        default=0.9,
        ge=0,
        le=1.01,
        title="Least accuracy of any one digit",
        description="An Evaluator refuses a model that recognises one digit more rarely than this",
    )


def parameters() -> tuple[Parameter, ...]:
    """The fields of RunParams in the compiled pipeline's form."""
    schema = RunParams.model_json_schema()["properties"]
    return tuple(
        Parameter(name=name, type=_TYPES[field.annotation], default=field.default, json_schema=_bounds(schema[name]))
        for name, field in RunParams.model_fields.items()
        if field.annotation in _TYPES
    )


def _bounds(property_schema: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in property_schema.items() if key != "default"}
