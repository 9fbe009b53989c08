"""Names of the columns, which are the features, for all of this model."""

from nightlite.ondevice.contract.file_contract import FileContract, TensorContract

LABEL_KEY = "species"
LABELS = ("Adelie", "Chinstrap", "Gentoo")

MEASURES = ("bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g")
# A category's value is the index of its word.
CATEGORIES = {
    "sex": ("female", "male"),
    "island": ("Biscoe", "Dream", "Torgersen"),
}
FEATURES = (*MEASURES, *CATEGORIES)

# Inputs and output of the TFLite file on phones, for every quantization.
LITE_CONTRACT = FileContract(
    inputs=tuple(TensorContract(name=name, dtype="float32", shape=(1, 1)) for name in FEATURES),
    output=TensorContract(name="probabilities", dtype="float32", shape=(1, len(LABELS))),
)


def transformed_name(key: str) -> str:
    """Return the name of a feature after Transform."""
    return f"{key}_xf"
