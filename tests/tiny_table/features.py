"""Names of the features, for all of this model."""

from nightlite.ondevice.contract.file_contract import FileContract, TensorContract

LABEL_KEY = "species"
LABELS = ("setosa", "versicolor", "virginica")
# As scikit-learn has them, which is not the alphabet's order.
FEATURES = ("sepal_length", "sepal_width", "petal_length", "petal_width")
CONTRACT = FileContract(
    inputs=tuple(TensorContract(name=name, dtype="float32", shape=(1, 1)) for name in FEATURES),
    output=TensorContract(name="probabilities", dtype="float32", shape=(1, len(LABELS))),
)


def transformed_name(key: str) -> str:
    """Return the name of a feature after Transform."""
    return f"{key}_xf"
