"""The features' names and shapes, in one place for both Trainers, Transform and the Evaluators."""

from nightlite.ondevice.gates.measurements import TensorContract

IMAGE_KEY = "image_floats"
LABEL_KEY = "image_class"
IMAGE_SIDE = 28
IMAGE_SIZE = IMAGE_SIDE * IMAGE_SIDE
NUM_CLASSES = 10
LABELS = tuple("0123456789")

# What phones pass to the TFLite file and what they get, whatever the quantization.
LITE_CONTRACT = (
    TensorContract(name=IMAGE_KEY, dtype="float32", shape=(-1, IMAGE_SIZE)),
    TensorContract(name="probabilities", dtype="float32", shape=(-1, NUM_CLASSES)),
)


def transformed_name(key: str) -> str:
    """The name of a feature after Transform."""
    return f"{key}_xf"
