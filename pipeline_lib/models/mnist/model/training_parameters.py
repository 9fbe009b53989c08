"""Run parameters of this model. The Trainer imports this module, and trains again when it changes."""

from pydantic import BaseModel, ConfigDict, Field

from nightlite.ondevice.settable import BY_RUNS


class TrainingParams(BaseModel):
    """The parameters of `run_fn`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: int = Field(
        default=12,
        ge=1,
        le=500,
        title="Epochs",
        description="Passes over the training split; at least 30 steps each",
    )
    batch_size: int = Field(
        default=64,
        ge=1,
        le=4096,
        title="Batch size",
        description="Examples per training step",
        json_schema_extra=BY_RUNS,
    )
    learning_rate: float = Field(
        default=0.005,
        gt=0,
        le=1,
        title="Learning rate",
        description="Peak of the one-cycle schedule",
        json_schema_extra=BY_RUNS,
    )
    seed: int = Field(
        default=1,
        ge=0,
        le=2**31 - 1,
        title="Seed",
        description="Same seed, same data: same metrics",
        json_schema_extra=BY_RUNS,
    )
