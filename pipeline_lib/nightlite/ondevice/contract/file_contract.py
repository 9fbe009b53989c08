"""Inputs and output of the file on phones. The Trainers import this module, and train again when it changes."""

from pydantic import BaseModel, ConfigDict, Field

# TFMA looks for a TFLite model under this name. TFX's rewriter is set to use it.
TFLITE_FILE = "tflite"
# With another name, the rewriter puts that name before the inputs', which TFMA cannot match to the features.
SIGNATURE = "serving_default"


class TensorContract(BaseModel):
    """An input or output as a caller sees it. -1 in `shape` is any size."""

    model_config = ConfigDict(frozen=True)

    name: str
    dtype: str
    shape: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.name} {self.dtype}{list(self.shape)}"


class FileContract(BaseModel):
    """Inputs and output of one file. A caller finds each by its name, so the inputs' order means nothing."""

    model_config = ConfigDict(frozen=True)

    inputs: tuple[TensorContract, ...] = Field(min_length=1)
    output: TensorContract

    def __str__(self) -> str:
        return f"{', '.join(map(str, self.inputs))} to {self.output}"

    def same_form(self, other: "FileContract") -> bool:
        """Return whether a caller of one file can call the other."""
        return self._form() == other._form()

    def _form(self) -> tuple[object, ...]:
        return {tensor.name: tensor for tensor in self.inputs}, self.output
