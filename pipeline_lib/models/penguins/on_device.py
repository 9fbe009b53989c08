"""Declaration of this model to nightlite. It is not in `__init__.py`, which is part of the Trainers' cache key."""

from models.penguins.features import CATEGORIES, LABEL_KEY, LABELS, LITE_CONTRACT
from nightlite.ondevice.contract.app_contract import Meaning
from nightlite.ondevice.model import Feature, OnDeviceModel, Words
from nightlite.ondevice.task import Classification

_DESCRIPTIONS = {
    "bill_length_mm": "length of the bill",
    "bill_depth_mm": "depth of the bill",
    "flipper_length_mm": "length of the flipper",
    "body_mass_g": "body mass",
    "sex": "sex",
    "island": "island of the Palmer Archipelago where it nests",
}
_UNITS = {"bill_length_mm": "mm", "bill_depth_mm": "mm", "flipper_length_mm": "mm", "body_mass_g": "g"}

MODEL = OnDeviceModel(
    name="penguins",
    title="Penguin species",
    features=tuple(
        Feature(
            tensor=tensor,
            meaning=Meaning(
                description=_DESCRIPTIONS[tensor.name],
                unit=_UNITS.get(tensor.name, ""),
                vocabulary=CATEGORIES.get(tensor.name, ()),
            ),
        )
        for tensor in LITE_CONTRACT.inputs
    ),
    output=LITE_CONTRACT.output,
    label_key=LABEL_KEY,
    task=Classification(labels=LABELS),
    training_parameters="models.penguins.training_parameters:TrainingParams",
    preprocessing_fn="models.penguins.preprocessing.preprocessing_fn",
    run_fn="models.penguins.trainer.run_fn",
    ingest="models.penguins.ingest:ingest",
    sources={"penguins": "344 penguins of three species, from PyPI's palmerpenguins"},
    words=Words(one="penguin", many="penguins"),
    intended_use="Names the species of an adult penguin of the Palmer Archipelago, by four measures, sex and island.",
    limits="It knows three species on three islands, and names one of them for any animal. Values may be missing, "
    "which makes the answer less reliable.",
    data_licence="Palmer penguins (Gorman, Williams and Fraser 2014, PLOS ONE 9(3): e90081), CC0.",
    # One of the 69 eval examples is 1.4 %: the library's own bounds are for a thousand.
    gate_bounds={
        "min_accuracy": 0.9,
        "min_class_accuracy": 0.8,
        "max_loss": 0.3,
        "min_accuracy_change": -0.05,
        "max_size_kib": 32,
        "max_latency_ratio": 3,  # of some microseconds
        "min_quantized_agreement": 0.95,
        "max_keras_accuracy_drop": 0.03,
    },
)
