"""What a run can be told: the single source of the run parameters' names, types, bounds and defaults.

Airflow's trigger form and TFX's RuntimeParameters are both made from this model. To add one, add a field here
and use it in `pipeline_lib/tfx/pipeline.py`.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from pipeline_lib.approval import APPROVAL_RECORD
from pipeline_lib.graph import Parameter

Quantization = Literal["none", "dynamic", "float16", "int8"]
Approval = Literal["none", "required"]

_TYPES: dict[Any, Literal["int", "float", "str"]] = {
    int: "int",
    float: "float",
    str: "str",
    Quantization: "str",
    Approval: "str",
}


def _least(default: float, title: str, what: str) -> Any:
    """A lower bound of a share; beyond 1 it refuses everything."""
    return Field(
        default=default, ge=0, le=1.01, title=title, description=f"{what}, 0 to 1; above 1 refuses every model"
    )


def _most(default: float, title: str, what: str, limit: float) -> Any:
    """An upper bound of what is never negative; below 0 it refuses everything."""
    return Field(
        default=float(default), ge=-1, le=limit, title=title, description=f"{what}; below 0 refuses everything"
    )


class RunParams(BaseModel):
    """Parameters of one run; defaults are what the nightly run uses.

    Those named `min_…` and `max_…` are the bounds of gates: each admits a value that nothing meets.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: int = Field(
        default=20, ge=1, le=500, title="Epochs", description="Passes over the training split; at least 30 steps each"
    )
    batch_size: int = Field(default=64, ge=1, le=4096, title="Batch size", description="Examples per training step")
    learning_rate: float = Field(
        default=0.005, gt=0, le=1, title="Learning rate", description="Peak of the one-cycle schedule"
    )
    seed: int = Field(default=1, ge=0, le=2**31 - 1, title="Seed", description="Same seed, same data: same metrics")
    quantization: Quantization = Field(
        default="none",
        title="Quantization",
        description="Of the file: dynamic (int8 weights), float16 (weights) or int8 (weights and activations)",
    )

    min_accuracy: float = _least(0.97, "Least accuracy", "Of either model")
    min_class_accuracy: float = _least(0.9, "Least accuracy of any one digit", "Of either model")
    max_loss: float = Field(
        default=0.2, ge=0, le=100, title="Largest loss", description="Mean cross-entropy of either model, in nats"
    )
    min_accuracy_change: float = Field(
        default=-0.005,
        ge=-1,
        le=1.01,
        title="Least change in accuracy against the last release",
        description="Below 0: that much worse is still admitted; first run: there is nothing to compare with",
    )

    max_keras_accuracy_drop: float = _most(
        0.003, "Largest loss of accuracy by conversion", "Keras's less the file's", 1
    )
    min_keras_agreement: float = _least(
        0.999, "Least agreement with Keras", "Share of images given the same digit; quantization none or float16"
    )
    min_quantized_agreement: float = _least(
        0.99, "Least agreement with Keras, quantized", "The same; quantization dynamic or int8"
    )
    max_output_difference: float = _most(0.6, "Largest difference from Keras", "Of any probability of any image", 1)
    max_mean_output_difference: float = _most(0.005, "Largest mean difference from Keras", "Of all probabilities", 1)
    max_tfma_difference: float = _most(
        0.003, "Largest difference from TFMA", "Between the file's accuracy as TFMA has it and as LiteRT measures it", 1
    )
    max_size_kib: float = _most(300, "Largest file", "In KiB", 1e6)
    max_load_ms: float = _most(200, "Longest load time", "In ms, on the build host", 1e6)
    max_latency_ms: float = _most(20, "Longest latency", "95th percentile, ms an image, on the build host", 1e6)
    max_latency_ratio: float = _most(
        1.5,
        "Largest latency against the last release",
        "Ratio of medians on the build host",
        1e6,
    )
    max_memory_mib: float = _most(64, "Largest peak memory", "In MiB, of loading the file and running it", 1e6)

    max_anomalies: int = Field(
        default=0, ge=-1, le=1000, title="Most anomalies in the data", description="More of them fail the run"
    )
    max_label_drift: float = _most(
        0.1,
        "Largest drift of the labels",
        "Of any digit's share since the last span that passed; more fails the run",
        1,
    )

    approval: Approval = Field(
        default="none",
        title="Approval",
        description="required: somebody must approve a blessed model before it is pushed",
    )


def parameters() -> tuple[Parameter, ...]:
    """The fields of RunParams in the compiled pipeline's form."""
    schema = RunParams.model_json_schema()["properties"]
    return tuple(
        Parameter(name=name, type=_TYPES[field.annotation], default=field.default, json_schema=_bounds(schema[name]))
        for name, field in RunParams.model_fields.items()
    )


def facts() -> tuple[Parameter, ...]:
    """What Airflow tells a run, and no run may say of itself.

    `approval_record`: JSON of a `pipeline_lib.approval.Approval`, "" where nobody was asked.
    """
    return (Parameter(name=APPROVAL_RECORD, type="str", default="", given_by="airflow"),)


def _bounds(property_schema: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in property_schema.items() if key != "default"}
