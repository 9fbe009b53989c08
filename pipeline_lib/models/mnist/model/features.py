"""Names and shapes of the features, for both Trainers, Transform and the Evaluators."""

from nightlite.ondevice.contract.file_contract import FileContract, TensorContract

IMAGE_KEY = "image_floats"
LABEL_KEY = "image_class"
IMAGE_SIDE = 28
IMAGE_SIZE = IMAGE_SIDE * IMAGE_SIDE
NUM_CLASSES = 10
LABELS = tuple("0123456789")

# Input and output of the TFLite file on phones, for every quantization.
LITE_CONTRACT = FileContract(
    inputs=(TensorContract(name=IMAGE_KEY, dtype="float32", shape=(1, IMAGE_SIZE)),),
    output=TensorContract(name="probabilities", dtype="float32", shape=(1, NUM_CLASSES)),
)


def transformed_name(key: str) -> str:
    """Return the name of a feature after Transform."""
    return f"{key}_xf"
