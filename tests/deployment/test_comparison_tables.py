"""What `nightlite compare` prints in a terminal."""

import io

import pytest
from rich.console import Console

from nightlite.deployment import comparison_tables
from nightlite.ondevice.gates.paired import Comparison
from nightlite.ondevice.report.file_comparison import ClassPair, FileComparison, verdict
from tests.ondevice.report.made_comparison import EVIL, MADE, OF_NUMBERS, PAIRED


def printed(found: FileComparison) -> list[str]:
    console = Console(file=io.StringIO(), width=200)
    for part in comparison_tables.tables(found):
        console.print(part)
    return [" ".join(line.split()) for line in console.file.getvalue().splitlines()]  # type: ignore[attr-defined]


def test_a_table_has_both_files_their_figures_and_the_change() -> None:
    lines = printed(MADE)
    assert f"file release 6 run {EVIL}" in lines
    assert "sha256 0123456789ab 0123456789ab" in lines and "epochs 3 4" in lines
    assert "accuracy 95.00 % 94.75 % -0.25 points" in lines
    assert "size 2,000 bytes 1,000 bytes -50.0 %" in lines
    assert "latency p50 0.5 ms n/a" in lines


def test_classes_examples_and_the_verdict_follow() -> None:
    lines = printed(MADE)
    assert "tulip 1,100 99.00 % 98.00 % -1.00 points" in lines and "rose 900 90.00 % 90.00 %" in lines
    assert "0 tulip tulip 70 % rose 80 %" in lines and "9 tulip tulip 70 % rose 80 %" in lines
    assert not any(line.startswith("10 tulip") for line in lines)
    assert "They differ on 30 of 2,000, the 10 with the largest differences" in lines
    on = "2,000 flowers of the eval split of B, span 4"
    assert f"Compared on {on}; differences in accuracy under 0.3 points are chance" in lines
    assert lines[-1] == "B is detectably worse than A: 1 won, 9 lost of 2,000 (p = 0.021)"


def test_only_gates_that_not_both_runs_passed_are_listed() -> None:
    lines = printed(MADE)
    assert f"{EVIL} no such gate 0.95 REFUSED min_b Judge" in lines
    assert "Both runs passed the other 1 gates" in lines
    assert "Both runs passed all 1 gates" in printed(MADE.model_copy(update={"gates": MADE.gates[:1]}))


def test_of_many_classes_those_that_differ_most_are_listed() -> None:
    classes = tuple(ClassPair(label=f"class-{place}", examples=1, a=0.0, b=place / 100) for place in range(100))
    lines = printed(MADE.model_copy(update={"classes": classes}))
    assert [line.split()[0] for line in lines if line.startswith("class-")] == [f"class-{99 - n}" for n in range(20)]
    assert "the 20 of 100 classes that differ most" in lines


def test_a_regression_has_errors_and_no_classes() -> None:
    lines = printed(OF_NUMBERS)
    assert "mean error 2 cm 1.5 cm -25.0 %" in lines
    assert "7 10.5 cm 12 (+1.5) 10 (-0.5)" in lines
    assert not any(line.startswith("class") for line in lines)


def test_a_doubt_about_the_data_is_said() -> None:
    assert "the eval data is another" in printed(MADE.model_copy(update={"note": "the eval data is another"}))


@pytest.mark.parametrize(
    ("won", "lost", "p", "said"),
    [
        (9, 1, 0.0214, "B is detectably better than A: 9 won, 1 lost of 2,000 (p = 0.021)"),
        (2, 1, 1.0, "No detectable difference: B has 2 won, 1 lost of 2,000 (p = 1)"),
    ],
)
def test_the_verdict_is_that_of_the_paired_test(won: int, lost: int, p: float, said: str) -> None:
    found = Comparison(sha256=PAIRED.sha256, won=won, lost=lost, n=2000, p=p)
    assert verdict(found, same_file=False) == said
    assert verdict(found, same_file=True) == "A and B are the very same file"
