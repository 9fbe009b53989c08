"""The features' names and shapes, in one place for both Trainers, Transform and the Evaluators."""

IMAGE_KEY = "image_floats"
LABEL_KEY = "image_class"
IMAGE_SIDE = 28
IMAGE_SIZE = IMAGE_SIDE * IMAGE_SIDE
NUM_CLASSES = 10
LABELS = tuple("0123456789")


def transformed_name(key: str) -> str:
    """The name of a feature after Transform."""
    return f"{key}_xf"
