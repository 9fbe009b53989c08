"""The model card: a release's facts and the model's words, in Markdown that no name of a run can break."""

import itertools
from datetime import UTC, datetime
from typing import Any

import pytest

from nightlite.ondevice.approval import Approval
from nightlite.ondevice.contract.app_contract import Input, Meaning
from nightlite.ondevice.contract.golden import Golden, GoldenExample
from nightlite.ondevice.gates.gate import Gate
from nightlite.ondevice.in_tfx.pusher.documents import model_card
from nightlite.ondevice.releases.manifest import Manifest
from tests.ondevice.cards import CARD
from tests.ondevice.gates.test_edge import MEASURED
from tests.ondevice.releases.made_releases import DESCRIPTION

GATE = Gate(name="min_a", node_id="E", subject="accuracy", relation=">=", bound=0.9, value=0.99, unit="", passed=True)
GOLDEN = Golden(sha256="a" * 64, tolerance=1e-5, examples=(GoldenExample(label="rose", inputs={}, outputs={}),))
COLOUR = Meaning(description="colour", vocabulary=("red", "blue"))
HEIGHT = Meaning(description="height of the stalk", unit="cm", scale=0.01, offset=-0.5)


def manifest(**changes: Any) -> Manifest:
    inputs = [
        Input(name=name, dtype="float32", shape=(1, 1), meaning=meaning)
        for name, meaning in (("height", HEIGHT), ("colour", COLOUR))
    ]
    described = {
        **dict(DESCRIPTION),
        "labels": CARD.labels,
        "inputs": inputs,
        "gates": (GATE,),
        "measurements": MEASURED.model_dump(mode="json"),
        "source": "a meadow of theirs",
        "least_app_version": 4,
        "least_runtime_version": "1.5.0",
        "versions": {"tfx": "1.21.0"},
    }
    now = datetime(2026, 11, 30, 3, tzinfo=UTC)
    return Manifest(**{**described, "version": 7, "created": now, "sha256": "a" * 64, "size_bytes": 62_096, **changes})


def card(**changes: Any) -> str:
    return model_card(manifest(**changes), CARD, GOLDEN, "iris")


def test_it_has_the_models_words_and_the_releases_facts() -> None:
    text = card()
    for part in (
        *("# Flowers of a meadow, release 7", CARD.intended_use, CARD.limits),
        "For each flower it gives the probability of each of 3 classes.",
        "Call the signature `serving_default`, the only one,",
        "| file | `model.tflite`, 62,096 bytes |",
        "| least version of the app | 4 |",
        "| least version of the runtime | TensorFlow Lite 1.5.0, or any LiteRT |",
        "| made by | tfx 1.21.0, code abc |",
        "| `height` | float32 [1, 1] | height of the stalk | cm | 0.01 | -0.5 |  |",
        "| `colour` | float32 [1, 1] | colour: 0 red, 1 blue |  | 1.0 | 0.0 |  |",
        "has a probability for each label, in this order: rose, tulip, daisy.",
        "They sum to 1. The largest is the answer.",
        "within a tolerance of 1e-05",
        "`nightlite models verify --model iris 7` checks",
        "Span 4, from a meadow of theirs. CC0",
        "| accuracy | 0.99 | share of examples given their true class, by LiteRT on the machine of the run |",
        "| accuracy | E | 0.99 | at least 0.9 |",
        "| latency, median and 95th percentile | 0.1 ms, 0.3 ms |",
        "| CompiledModel fully accelerated, on the CPU | yes |",
    ):
        assert part in text, part


def test_every_table_is_whole() -> None:
    lines = card().splitlines()
    for above, line in itertools.pairwise(lines):
        if line.startswith("|") and above.startswith("|"):
            assert line.count("|") == above.count("|"), line
    assert not any(line != line.rstrip() or "{" in line for line in lines)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"measurements": MEASURED.model_copy(update={"fully_accelerated": False}).model_dump()}, "on the CPU | no |"),
        ({"measurements": MEASURED.model_copy(update={"fully_accelerated": None}).model_dump()}, "CPU | unknown |"),
        ({"least_runtime_version": ""}, "| least version of the runtime | unknown |"),
        ({"span": None, "source": ""}, "\nAn unknown span. CC0\n"),
        (
            {"approval": Approval(decision="approved", user="ann", at=datetime(2026, 11, 30, tzinfo=UTC))},
            "| approval | approved by ann, 2026-11-30 00:00 UTC |",
        ),
    ],
)
def test_what_is_not_known_or_not_so_is_said(change: dict[str, Any], said: str) -> None:
    assert said in card(**change)


def test_each_of_three_accuracies_says_whose_it_is_and_another_metric_nothing() -> None:
    text = card(metrics={"accuracy": 0.99, "sparse_categorical_accuracy": 0.98, "tfma_accuracy": 0.97, "auc": 0.5})
    assert "| sparse_categorical_accuracy | 0.98 | the same share, by the TFLite Evaluator (TFMA) |" in text
    assert "| tfma_accuracy | 0.97 | that share again, as EdgeValidator read it" in text
    assert "| auc | 0.5 |  |" in text


def test_a_kept_contract_is_a_yes_and_no_number() -> None:
    kept = GATE.model_copy(update={"name": "contract", "subject": "contract of a to b kept", "bound": 1, "value": 1})
    assert "| contract of a to b kept | E | yes | yes |" in card(gates=(kept,))


def test_names_from_outside_are_no_markup() -> None:
    text = card(run_id="<img src=x>\n# A heading | and a cell", labels=("a|b", "*c*", "`d`"))
    assert "| run | \\<img src=x> # A heading \\| and a cell |" in text
    assert r"in this order: a\|b, \*c\*, \`d\`." in text
