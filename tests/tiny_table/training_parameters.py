"""Run parameters of this model, next to the options and gates that every model has."""

from pydantic import BaseModel, ConfigDict, Field


class TrainingParams(BaseModel):
    """The parameters of `run_fn`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: int = Field(default=60, ge=1, le=500, title="Epochs", description="Passes over the training split")
    seed: int = Field(default=1, ge=0, title="Seed", description="Same seed, same data: same metrics")
