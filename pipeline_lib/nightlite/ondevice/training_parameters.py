"""Run parameters of the model. The Trainers import this module, and train again when it changes."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from nightlite.ondevice.quantization import Quantization


def in_section(section: str, labels: dict[str, str] | None = None) -> dict[str, Any]:
    """Return a parameter's section in Airflow's trigger form, and the form's labels for its choices."""
    return {"section": section, **({"values_display": labels} if labels else {})}


class TrainingParams(BaseModel):
    """The parameters of the Trainers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: int = Field(
        default=12,
        ge=1,
        le=500,
        title="Epochs",
        description="Passes over the training split; at least 30 steps each",
        json_schema_extra=in_section("Training"),
    )
    batch_size: int = Field(
        default=64,
        ge=1,
        le=4096,
        title="Batch size",
        description="Examples per training step",
        json_schema_extra=in_section("Training"),
    )
    learning_rate: float = Field(
        default=0.005,
        gt=0,
        le=1,
        title="Learning rate",
        description="Peak of the one-cycle schedule",
        json_schema_extra=in_section("Training"),
    )
    seed: int = Field(
        default=1,
        ge=0,
        le=2**31 - 1,
        title="Seed",
        description="Same seed, same data: same metrics",
        json_schema_extra=in_section("Training"),
    )
    quantization: Quantization = Field(
        default="none",
        title="Quantization",
        description="Of the file: dynamic (int8 weights), float16 (weights) or int8 (weights and activations)",
        json_schema_extra=in_section(
            "File",
            {
                "none": "none: float32",
                "dynamic": "dynamic: int8 weights",
                "float16": "float16: float16 weights",
                "int8": "int8: weights and activations",
            },
        ),
    )
