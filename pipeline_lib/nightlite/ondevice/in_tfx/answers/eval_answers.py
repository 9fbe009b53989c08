"""Figures of the models' answers on the eval split. EdgeValidator writes them for ModelReport."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np

from nightlite.errors import DataError
from nightlite.ondevice.in_tfx.answers.eval_split import EvalSplit
from nightlite.ondevice.in_tfx.answers.tally import Answered, Tally
from nightlite.ondevice.in_tfx.raw_examples import Inputs
from nightlite.ondevice.report.contents import (
    Agreement,
    Mistake,
    MistakeKind,
    Mistakes,
    ModelFigures,
    ModelKey,
    ReportPart,
)

ANSWERS_FILE = "answers.json"
SHOWN_FILE = "shown_examples.npz"
# Before a feature's name, which may be that of an argument of NumPy's.
_INPUT = "input."


class AnswerFigures(ReportPart):
    """Content of `answers.json`: each model's figures, the pair's agreement, the mistakes without their inputs.

    `eval_set` is a hash of all examples in their order.
    """

    schema_version: Literal[1] = 1
    eval_set: str
    models: dict[ModelKey, ModelFigures]
    agreement: Agreement
    mistakes: Mistakes


@dataclass(frozen=True)
class EvalAnswers:
    """Figures of the models' answers, and the inputs of the few examples that a page shows.

    Attributes:
      inputs: of the shown mistakes, in their order, float32 [k, …] by the names of the features.
    """

    figures: AnswerFigures
    inputs: Inputs

    @classmethod
    def of(cls, split: EvalSplit, tally: Tally, keys: Sequence[ModelKey]) -> Self:
        """Return the figures of a tally of these models on the whole split."""
        found = tally.mistakes
        shown = tuple(mistake(example, kind, keys) for kind, largest in found.items() for example in largest.examples)
        counts = {kind: largest.count for kind, largest in found.items()}
        figures = AnswerFigures(
            eval_set=split.eval_set,
            models={key: tally.figures(key) for key in keys},
            agreement=tally.differences.agreement(tally.agreeing),
            mistakes=Mistakes(disagreements=counts.get("disagree", 0), both_err=counts.get("both err", 0), shown=shown),
        )
        return cls(figures, split.inputs.take(np.array([item.index for item in shown], np.int64)))

    def write(self, folder: Path) -> None:
        """Write `answers.json` and `shown_examples.npz`."""
        inputs: dict[str, Any] = {f"{_INPUT}{name}": values for name, values in self.inputs.items()}
        np.savez_compressed(folder / SHOWN_FILE, **inputs)
        (folder / ANSWERS_FILE).write_text(self.figures.model_dump_json(), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read both.

        Raises:
          DataError: there are none, because LiteRT could not run the file.
        """
        try:
            figures = AnswerFigures.model_validate_json((folder / ANSWERS_FILE).read_text(encoding="utf-8"))
            with np.load(folder / SHOWN_FILE) as file:
                return cls(figures, {name.removeprefix(_INPUT): file[name] for name in file.files})
        except FileNotFoundError:
            raise DataError(
                f"{folder}: expected {ANSWERS_FILE} of EdgeValidator's. Received: none, for it could not run the "
                "TFLite file. Its gate 'contract' says why"
            ) from None


def mistake(example: Answered, kind: MistakeKind, keys: Sequence[ModelKey]) -> Mistake:
    """Return an example with the answers of these models, without its inputs."""
    given = {key: tuple(map(float, example.answers[key])) for key in keys}
    return Mistake(index=example.index, label=example.label, kind=kind, probabilities=given)
