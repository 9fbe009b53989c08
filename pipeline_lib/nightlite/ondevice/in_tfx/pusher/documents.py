"""Documents of a release: the golden examples, and a model card with the sections that Hugging Face's cards have."""

import re
from collections.abc import Mapping
from pathlib import Path

import jinja2

from nightlite.ondevice.contract.file_contract import SIGNATURE
from nightlite.ondevice.contract.golden import GOLDEN_FILE, Golden
from nightlite.ondevice.gates.measurements import CandidateMeasurements
from nightlite.ondevice.model import ModelCard
from nightlite.ondevice.releases.manifest import CARD_FILE, Manifest
from nightlite.ondevice.releases.store import Documents

_TEMPLATES = Path(__file__).with_name("templates")
# Of Markdown and of HTML, which Markdown lets through. An underscore within a word means nothing.
_MARKUP = re.compile(r"[\\`*<|]")
# Of a release's metrics. LiteRT and TFMA measure a quantity each: a gate bounds the difference.
_METRICS = {
    "accuracy": "share of examples given their true class, by LiteRT on the machine of the run",
    "sparse_categorical_accuracy": "the same share, by the TFLite Evaluator (TFMA)",
    "binary_accuracy": "the same share, by the TFLite Evaluator (TFMA)",
    "tfma_accuracy": "that share again, as EdgeValidator read it from the TFLite Evaluator",
    "keras_agreement": "share of examples given the same class as by Keras",
    "max_abs_difference": "largest difference of an output from Keras's",
    "mean_abs_difference": "mean difference of the outputs from Keras's",
    "sparse_categorical_crossentropy": "loss: mean cross-entropy, by the TFLite Evaluator (TFMA)",
    "binary_crossentropy": "loss: mean cross-entropy, by the TFLite Evaluator (TFMA)",
    "mean_error": "mean absolute error, by LiteRT on the machine of the run",
    "p95_error": "95th percentile of the absolute error, by LiteRT on the machine of the run",
    "mean_absolute_error": "mean absolute error, by the TFLite Evaluator (TFMA)",
    "tfma_mean_error": "mean_absolute_error again, as EdgeValidator read it from the TFLite Evaluator",
    "mean_squared_error": "mean squared error, by the TFLite Evaluator (TFMA)",
    "bias": "mean of prediction less label, by the TFLite Evaluator (TFMA)",
    "largest_error": "largest absolute error, by the TFLite Evaluator (TFMA)",
    "expected_calibration_error": "how far probabilities are from the shares that are right (arXiv:1706.04599)",
    "example_count": "examples of the eval split",
}


def documents_of(judged: Path, card: ModelCard, name: str) -> Documents:
    """Return the function that makes a release's documents from its manifest.

    Args:
      judged: EdgeValidator's folder.
      card: what the model declares.
      name: the model's.
    """

    def documents(manifest: Manifest) -> Mapping[str, bytes]:
        text = model_card(manifest, card, Golden.read(judged), name)
        return {GOLDEN_FILE: (judged / GOLDEN_FILE).read_bytes(), CARD_FILE: text.encode()}

    return documents


def model_card(manifest: Manifest, card: ModelCard, golden: Golden, name: str) -> str:
    """Return the text of a release's model card.

    Args:
      manifest: the release's, with EdgeValidator's measurements.
      card: what the model declares.
      golden: the release's golden examples.
      name: the model's.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=False,  # noqa: S701 - Markdown, which `finalize` escapes
        undefined=jinja2.StrictUndefined,
        finalize=_escaped,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = _number
    measured = CandidateMeasurements.model_validate(manifest.measurements)
    text = environment.get_template("model_card.md.j2").render(
        manifest=manifest,
        card=card,
        measured=measured,
        golden=golden,
        signature=SIGNATURE,
        about=_METRICS,
        name=name,
    )
    return re.sub("\n{3,}", "\n\n", text)


def _escaped(value: object) -> object:
    """Return a text on one line with its markup escaped: run ids and labels come from outside."""
    return _MARKUP.sub(r"\\\g<0>", re.sub(r"\s+", " ", value)) if isinstance(value, str) else value


def _number(value: float | None) -> str:
    """Return a number for readers, to four places that count and with thousands separators."""
    if value is None:
        return "not measured"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
