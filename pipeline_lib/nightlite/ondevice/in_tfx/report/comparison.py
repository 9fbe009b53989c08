"""Comparison of the models' probabilities: accuracy, confusion, agreement, and the examples to look at."""

import base64
import io
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from PIL import Image

from nightlite.ondevice.in_tfx.edge_validator.eval_answers import EvalAnswers, odd_ones, shown
from nightlite.ondevice.in_tfx.raw_examples import Inputs
from nightlite.ondevice.model import Picture
from nightlite.ondevice.report.contents import Agreement, Mistake, Mistakes, ModelColumn, ModelKey

Probabilities = npt.NDArray[np.float32]

TITLES: Mapping[ModelKey, str] = {"keras": "Keras", "tflite": "TFLite", "released": "Last release"}
# Powers of ten: float kernels differ by 1e-7, a quantized file's by up to 1.
_EDGES = np.linspace(-8.0, 0.0, 17)
_SMALLEST = 1e-7  # Keras's epsilon: a probability of 0 is no infinite loss


def model_column(key: ModelKey, labels: npt.NDArray[np.int64], found: Probabilities, size_bytes: int) -> ModelColumn:
    """Return a model's figures from its probabilities, float32 [n, classes]."""
    classes = found.shape[1]
    confusion = np.zeros((classes, classes), np.int64)
    np.add.at(confusion, (labels, found.argmax(1)), 1)
    totals = confusion.sum(1)
    chosen = np.clip(found[np.arange(len(labels)), labels].astype(np.float64), _SMALLEST, 1)
    return ModelColumn(
        key=key,
        title=TITLES[key],
        accuracy=float(np.trace(confusion) / len(labels)),
        loss=float(-np.log(chosen).mean()),
        class_accuracy=tuple(
            float(confusion[label, label] / total) if total else None for label, total in enumerate(totals)
        ),
        confusion=tuple(tuple(int(count) for count in row) for row in confusion),
        size_bytes=size_bytes,
    )


def agreement(keras: Probabilities, tflite: Probabilities) -> Agreement:
    """Return the differences between two models' probabilities, float32 [n, classes]."""
    differences = np.abs(keras.astype(np.float64) - tflite)
    largest = np.log10(np.maximum(differences.max(1), 10 ** _EDGES[0]))
    counts, _ = np.histogram(largest, _EDGES)
    return Agreement(
        examples=len(keras),
        agreeing=int((keras.argmax(1) == tflite.argmax(1)).sum()),
        largest_difference=float(differences.max()),
        mean_difference=float(differences.mean()),
        edges=tuple(map(float, _EDGES)),
        counts=tuple(map(int, counts)),
    )


def mistakes(answers: EvalAnswers, show: Picture | None) -> Mistakes:
    """Return examples on which Keras and TFLite disagree, most different first, then those on which both err."""
    found = answers.probabilities
    odd = odd_ones(answers.labels, found["keras"], found["tflite"])
    return Mistakes(
        disagreements=len(odd["disagree"]),
        both_err=len(odd["both err"]),
        shown=tuple(
            Mistake.model_validate(
                {
                    "index": index,
                    "label": int(answers.labels[index]),
                    "kind": kind,
                    "probabilities": {key: tuple(map(float, values[index])) for key, values in found.items()},
                    **_display({name: values[place] for name, values in answers.inputs.items()}, show),
                }
            )
            for place, (index, kind) in enumerate(shown(odd))
        ),
    )


def _display(example: Inputs, show: Picture | None) -> dict[str, object]:
    """Return the fields of a `Mistake` that show one example, with arrays [...] by the features' names."""
    drawn = {name: png(values, show) for name, values in example.items() if show and show.fits(values.shape)}
    rest = {name: tuple(map(float, values.ravel())) for name, values in example.items() if name not in drawn}
    return {"png": next(iter(drawn.values()), ""), "values": rest}


def png(values: npt.NDArray[np.float32], show: Picture) -> str:
    """Return a picture's values as a grey PNG in base64."""
    grey = np.clip((values - show.black) / (show.white - show.black) * 255, 0, 255).round().astype(np.uint8)
    content = io.BytesIO()
    Image.fromarray(grey.reshape(show.height, show.width)).save(content, "PNG", optimize=True)
    return base64.b64encode(content.getvalue()).decode()
