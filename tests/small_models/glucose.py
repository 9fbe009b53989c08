"""A regression: how far a diabetes has gone on after a year, by ten measures."""

from pathlib import Path
from typing import Any

from nightlite.ondevice.contract.app_contract import Meaning
from nightlite.ondevice.contract.file_contract import TensorContract
from nightlite.ondevice.model import Feature, OnDeviceModel, Words
from nightlite.ondevice.spans import Span
from nightlite.ondevice.task import Regression

KEY = "measures"
MODEL = OnDeviceModel(
    name="glucose",
    title="Progression of diabetes",
    features=(
        Feature(
            tensor=TensorContract(name=KEY, dtype="float32", shape=(1, 10)),
            meaning=Meaning(description="age, sex, body mass index, blood pressure, six of blood", order="as named"),
        ),
    ),
    output=TensorContract(name="progression", dtype="float32", shape=(1, 1)),
    label_key="after_a_year",
    task=Regression(unit="points"),
    training_parameters="tests.small_models.training_parameters:TrainingParams",
    preprocessing_fn="tests.small_models.glucose.preprocessing_fn",
    run_fn="tests.small_models.glucose.run_fn",
    ingest="tests.small_models.glucose:ingest",
    words=Words(one="patient", many="patients"),
    intended_use="A test.",
    limits="A test.",
    data_licence="Efron et al., in scikit-learn.",
    gate_bounds={
        "max_mean_error": 55,
        "max_mean_error_change": 1,
        "max_p95_error": 130,
        "max_output_difference": 0.5,
        "max_mean_output_difference": 0.1,
    },
)


def ingest(source: str, data_dir: Path) -> Span:
    from sklearn.datasets import load_diabetes

    from tests.small_models.fitting import write_table

    return write_table(MODEL, load_diabetes(), data_dir)


def preprocessing_fn(inputs: dict[str, Any]) -> dict[str, Any]:
    from tests.small_models.fitting import scaled

    return scaled(inputs, KEY, MODEL)


def run_fn(fn_args: Any) -> None:
    import keras

    from tests.small_models.fitting import fit

    def layers() -> list[keras.Layer]:
        # Near the labels' mean and spread from the start, as 350 examples are few.
        ends = keras.layers.Rescaling(77, offset=152)
        return [keras.layers.Dense(16, activation="relu"), keras.layers.Dense(1), ends]

    fit(fn_args, MODEL, layers, "mean_absolute_error")
