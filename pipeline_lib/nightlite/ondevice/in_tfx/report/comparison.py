"""Comparison of the models' answers: accuracy and confusion, or errors; agreement, and the examples to look at."""

import base64
import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from nightlite.ondevice.in_tfx.edge_validator.eval_answers import EvalAnswers, shown
from nightlite.ondevice.in_tfx.edge_validator.task_measures import errors, measures_of
from nightlite.ondevice.in_tfx.raw_examples import Inputs, Labels
from nightlite.ondevice.model import ModelCard, Picture
from nightlite.ondevice.report.contents import Agreement, Mistake, Mistakes, ModelColumn, ModelKey
from nightlite.ondevice.task import Task

Probabilities = npt.NDArray[np.float32]

TITLES: Mapping[ModelKey, str] = {"keras": "Keras", "tflite": "TFLite", "released": "Last release"}
# Powers of ten: float kernels differ by 1e-7, a quantized file's by up to 1.
_EDGES = np.linspace(-8.0, 0.0, 17)
_SMALLEST = 1e-7  # Keras's epsilon: a probability of 0 is no infinite loss
_ERROR_BARS = 20
_MOST_POINTS = 200  # in a chart, and enough for its shape


def model_column(key: ModelKey, task: Task, labels: Labels, found: Probabilities, size_bytes: int) -> ModelColumn:
    """Return a model's figures from its answers, as `EvalAnswers` has them."""
    figures = _of_classes(labels, found) if task.labels else _of_numbers(labels, found)
    return ModelColumn(key=key, title=TITLES[key], unit=task.unit, size_bytes=size_bytes, **figures)


def _of_classes(labels: Labels, found: Probabilities) -> dict[str, Any]:
    classes = found.shape[1]
    confusion = np.zeros((classes, classes), np.int64)
    np.add.at(confusion, (labels, found.argmax(1)), 1)
    totals = confusion.sum(1)
    chosen = np.clip(found[np.arange(len(labels)), labels].astype(np.float64), _SMALLEST, 1)
    return {
        "accuracy": float(np.trace(confusion) / len(labels)),
        "loss": float(-np.log(chosen).mean()),
        "class_accuracy": tuple(
            float(confusion[label, label] / total) if total else None for label, total in enumerate(totals)
        ),
        "confusion": tuple(tuple(int(count) for count in row) for row in confusion),
    }


def _of_numbers(labels: Labels, found: Probabilities) -> dict[str, Any]:
    absolute = errors(found, labels)
    signed = found.astype(np.float64).reshape(-1) - labels
    # Of the labels' spread, so that the charts of several models and nights have one scale.
    most = float(np.ptp(labels)) or 1.0
    counts, edges = np.histogram(np.clip(signed, -most / 2, most / 2), _ERROR_BARS, (-most / 2, most / 2))
    return {
        "mean_error": float(absolute.mean()),
        "p95_error": float(np.percentile(absolute, 95)),
        "bias": float(signed.mean()),
        "error_edges": tuple(map(float, edges)),
        "error_counts": tuple(map(int, counts)),
        "points": tuple(zip(labels[:_MOST_POINTS].tolist(), found[:_MOST_POINTS, 0].tolist(), strict=True)),
    }


def agreement(keras: Probabilities, tflite: Probabilities, task: Task) -> Agreement:
    """Return the differences between two models' answers."""
    differences = np.abs(keras.astype(np.float64) - tflite)
    edges = _EDGES + np.ceil(np.log10(measures_of(task).scale(keras)))
    largest = np.clip(np.log10(np.maximum(differences.max(1), 10 ** edges[0])), edges[0], edges[-1])
    counts, _ = np.histogram(largest, edges)
    return Agreement(
        examples=len(keras),
        agreeing=int((keras.argmax(1) == tflite.argmax(1)).sum()) if task.labels else None,
        largest_difference=float(differences.max()),
        mean_difference=float(differences.mean()),
        edges=tuple(map(float, edges)),
        counts=tuple(map(int, counts)),
    )


def mistakes(answers: EvalAnswers, card: ModelCard) -> Mistakes:
    """Return the examples to look at: disagreements, then common mistakes; of a regression, the largest errors."""
    found = answers.probabilities
    odd = measures_of(card.task).odd_ones(answers.labels, found["keras"], found["tflite"])
    kept = answers.inputs
    examples = (dict(zip(kept, row, strict=True)) for row in zip(*kept.values(), strict=True))
    return Mistakes(
        disagreements=len(odd.get("disagree", ())),
        both_err=len(odd.get("both err", ())),
        shown=tuple(
            mistake(index, kind, answers.labels, found, example, card)
            for (index, kind), example in zip(shown(odd), examples, strict=True)
        ),
    )


def mistake(
    index: int, kind: str, labels: Labels, found: Mapping[str, Probabilities], example: Inputs, card: ModelCard
) -> Mistake:
    """Return one example with the models' answers.

    Args:
      labels: of all examples, as the answers `found` are.
      example: its inputs, arrays [...] by the features' names.
    """
    given = {key: tuple(map(float, values[index])) for key, values in found.items()}
    about = {"index": index, "label": labels[index].item(), "kind": kind, "probabilities": given}
    return Mistake.model_validate(about | _display(example, card.show))


def _display(example: Inputs, show: Picture | None) -> dict[str, object]:
    """Return the fields of a `Mistake` that show its example."""
    drawn = {name: png(values, show) for name, values in example.items() if show and show.fits(values.shape)}
    rest = {name: tuple(map(float, values.ravel())) for name, values in example.items() if name not in drawn}
    return {"png": next(iter(drawn.values()), ""), "grey": not show or show.channels == 1, "values": rest}


def png(values: npt.NDArray[np.float32], show: Picture) -> str:
    """Return a picture's values as a grey or coloured PNG in base64."""
    levels = np.clip((values - show.black) / (show.white - show.black) * 255, 0, 255).round().astype(np.uint8)
    size = (show.height, show.width, *([show.channels] if show.channels > 1 else []))
    content = io.BytesIO()
    Image.fromarray(levels.reshape(size)).save(content, "PNG", optimize=True)
    return base64.b64encode(content.getvalue()).decode()
