"""A made-up comparison of two files, for the tests of its tables and of its page."""

from datetime import UTC, datetime

from nightlite.ondevice.gates.gate import Gate
from nightlite.ondevice.gates.paired import Comparison
from nightlite.ondevice.model import ModelCard
from nightlite.ondevice.report.contents import Mistake
from nightlite.ondevice.report.file_comparison import (
    SHARE,
    ClassPair,
    ComparedFile,
    FigurePair,
    FileComparison,
    GatePair,
    verdict,
)
from nightlite.ondevice.task import Regression
from tests.ondevice.cards import CARD

EVIL = "<b>[red]evil"
PAIRED = Comparison(sha256="0" * 64, won=1, lost=9, n=2000, p=0.0214)
GATE = Gate(name="min_a", node_id="Judge", subject=EVIL, relation=">=", bound=0.9, value=0.95, passed=True)


def compared_file(title: str, **parameters: float) -> ComparedFile:
    return ComparedFile(
        title=title,
        run_id=f"run of {title}",
        created=datetime(2026, 11, 24, 3, tzinfo=UTC),
        sha256="0123456789abcdef" * 4,
        data="span 4",
        quantization="none",
        refusals=(),
        parameters=parameters,
    )


def example(index: int, label: float, a: tuple[float, ...], b: tuple[float, ...]) -> Mistake:
    answers = {"released": a, "tflite": b}
    return Mistake.model_validate(
        {"index": index, "label": label, "kind": "disagree", "probabilities": answers, "values": {"height": (12.5,)}}
    )


MADE = FileComparison(
    model="meadow",
    card=CARD,
    a=compared_file("release 6", epochs=3),
    b=compared_file(f"run {EVIL}", epochs=4),
    newer="B",
    data="span 4",
    examples=2000,
    verdict=verdict(PAIRED, same_file=False),
    paired=PAIRED,
    figures=(
        FigurePair(name="accuracy", unit=SHARE, a=0.95, b=0.9475),
        FigurePair(name="size", unit="bytes", a=2000, b=1000),
        FigurePair(name="latency p50", unit="ms", a=0.5, b=None),
    ),
    classes=(
        ClassPair(label="rose", examples=900, a=0.9, b=0.9),
        ClassPair(label="tulip", examples=1100, a=0.99, b=0.98),
    ),
    gates=(
        GatePair(subject="accuracy", name="min_a", node_id="Judge", a=GATE, b=GATE),
        GatePair(subject=EVIL, name="min_b", node_id="Judge", a=None, b=GATE.model_copy(update={"passed": False})),
    ),
    differing=30,
    shown=tuple(example(index, 1, (0.1, 0.7, 0.2), (0.8, 0.1, 0.1)) for index in range(24)),
)
OF_NUMBERS = MADE.model_copy(
    update={
        "card": ModelCard(**{**dict(CARD), "task": Regression(unit="cm")}),
        "figures": (FigurePair(name="mean error", unit="cm", a=2.0, b=1.5),),
        "classes": (),
        "differing": None,
        "shown": (example(7, 10.5, (12.0,), (10.0,)),),
    }
)
