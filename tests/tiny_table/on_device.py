"""Declaration of this model to nightlite."""

from nightlite.ondevice.contract.app_contract import Meaning
from nightlite.ondevice.model import Feature, OnDeviceModel, Words
from nightlite.ondevice.task import Classification
from tests.tiny_table.features import CONTRACT, LABEL_KEY, LABELS

MODEL = OnDeviceModel(
    name="iris",
    title="Iris species",
    features=tuple(
        Feature(tensor=tensor, meaning=Meaning(description=tensor.name.replace("_", " "), unit="cm"))
        for tensor in CONTRACT.inputs
    ),
    output=CONTRACT.output,
    label_key=LABEL_KEY,
    task=Classification(labels=LABELS),
    training_parameters="tests.tiny_table.training_parameters:TrainingParams",
    preprocessing_fn="tests.tiny_table.preprocessing.preprocessing_fn",
    run_fn="tests.tiny_table.trainer.run_fn",
    ingest="tests.tiny_table.ingest:ingest",
    sources={"iris": "150 flowers of scikit-learn"},
    words=Words(one="flower", many="flowers"),
    intended_use="Names the species of an iris by four of its measures.",
    limits="It knows three species, and names one of them for any flower.",
    data_licence="R. A. Fisher's irises, in scikit-learn, CC BY 4.0.",
    gate_bounds={"min_accuracy": 0.9, "min_class_accuracy": 0.7, "max_loss": 0.5},
)
