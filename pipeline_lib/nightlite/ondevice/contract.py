"""Inputs and outputs of the file on phones. The Trainers import this module, and train again when it changes."""

from pydantic import BaseModel, ConfigDict


class TensorContract(BaseModel):
    """An input or output as a caller sees it. -1 in `shape` is any size."""

    model_config = ConfigDict(frozen=True)

    name: str
    dtype: str
    shape: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.name} {self.dtype}{list(self.shape)}"
