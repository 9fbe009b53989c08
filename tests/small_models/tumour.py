"""Two classes and one output: whether a tumour is benign, by thirty measures of its cells."""

from pathlib import Path
from typing import Any

from nightlite.ondevice.contract.app_contract import Meaning
from nightlite.ondevice.contract.file_contract import TensorContract
from nightlite.ondevice.model import Feature, OnDeviceModel, Words
from nightlite.ondevice.spans import Span
from nightlite.ondevice.task import Classification

KEY = "measures"
MODEL = OnDeviceModel(
    name="tumour",
    title="Benign tumours",
    features=(
        Feature(
            tensor=TensorContract(name=KEY, dtype="float32", shape=(1, 30)),
            meaning=Meaning(description="measures of cell nuclei", order="scikit-learn's"),
        ),
    ),
    output=TensorContract(name="probability", dtype="float32", shape=(1, 1)),
    label_key="kind",
    task=Classification(labels=("malignant", "benign")),
    training_parameters="tests.small_models.training_parameters:TrainingParams",
    preprocessing_fn="tests.small_models.tumour.preprocessing_fn",
    run_fn="tests.small_models.tumour.run_fn",
    ingest="tests.small_models.tumour:ingest",
    words=Words(one="tumour", many="tumours"),
    intended_use="A test.",
    limits="A test.",
    data_licence="Wisconsin's breast cancer data, in scikit-learn, CC BY 4.0.",
    gate_bounds={"min_accuracy": 0.9, "min_class_accuracy": 0.8, "max_loss": 0.5},
)


def ingest(source: str, data_dir: Path) -> Span:
    from sklearn.datasets import load_breast_cancer

    from tests.small_models.fitting import write_table

    return write_table(MODEL, load_breast_cancer(), data_dir)


def preprocessing_fn(inputs: dict[str, Any]) -> dict[str, Any]:
    from tests.small_models.fitting import scaled

    return scaled(inputs, KEY, MODEL)


def run_fn(fn_args: Any) -> None:
    import keras

    from tests.small_models.fitting import fit

    def layers() -> list[keras.Layer]:
        return [keras.layers.Dense(16, activation="relu"), keras.layers.Dense(1, activation="sigmoid")]

    fit(fn_args, MODEL, layers, "binary_crossentropy")
