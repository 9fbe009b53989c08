"""Run parameters of this model. The Trainer imports this module, and trains again when it changes."""

from pydantic import BaseModel, ConfigDict, Field

from nightlite.ondevice.settable import BY_RUNS


class TrainingParams(BaseModel):
    """The parameters of `run_fn`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: int = Field(default=60, ge=1, le=500, title="Epochs", description="Passes over the training split")
    learning_rate: float = Field(
        default=0.01, gt=0, le=1, title="Learning rate", description="Adam's", json_schema_extra=BY_RUNS
    )
    seed: int = Field(
        default=1,
        ge=0,
        le=2**31 - 1,
        title="Seed",
        description="Same seed, same data: same metrics",
        json_schema_extra=BY_RUNS,
    )
