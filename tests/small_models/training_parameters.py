"""Run parameters of these models."""

from pydantic import BaseModel, ConfigDict, Field


class TrainingParams(BaseModel):
    """The parameters of every `run_fn` here."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: int = Field(default=40, ge=1, le=500, title="Epochs", description="Passes over the training split")
