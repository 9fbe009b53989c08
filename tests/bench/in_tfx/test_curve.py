"""The curve of a bench's rows over the number of examples."""

import sys
from pathlib import Path

import pytest

from bench import row as bench_row
from bench.row import Row
from bench.tfx import curve
from nightlite.errors import NightliteError


def rows() -> list[Row]:
    """Return rows of three sizes. The largest one's yardstick is a smaller run of ours."""
    return [
        row
        for size, ours, yardstick in (("1k", 40.0, 41.0), ("100k", 600.0, None), ("1m", 580.0, 600.0))
        for row in (
            Row.of(f"examples_per_second_{size}", "1/s", [ours], [yardstick] if yardstick else [], what=""),
            Row.of(f"peak_memory_{size}", "MiB", [ours + 1000], [yardstick + 1000] if yardstick else [], what=""),
        )
    ]


def test_only_the_smaller_sizes_have_points_of_local_dag_runner() -> None:
    found = curve.points(rows(), "peak_memory")
    assert found.ours == ((1_000, 1040), (100_000, 1600), (1_000_000, 1580))
    assert found.local_runner == ((1_000, 1041),)


def test_100k_is_the_yardstick_of_1m() -> None:
    some = [row for row in rows() if not row.name.endswith("_100k")]
    assert curve.points(some, "examples_per_second").ours == ((1_000, 40), (100_000, 600), (1_000_000, 580))


def test_the_same_rows_are_the_same_picture_with_their_figures_as_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench_row.write(rows(), tmp_path / "bench.json")
    pictures = [tmp_path / "1.svg", tmp_path / "2.svg"]
    for picture in pictures:
        monkeypatch.setattr(sys, "argv", ["curve", "--rows", str(tmp_path / "bench.json"), "--output", str(picture)])
        assert curve.main() == 0
    first, second = (picture.read_text(encoding="utf-8") for picture in pictures)
    assert first == second
    assert all(f">{text}<" in first for text in ("1,580", "600", "LocalDagRunner", "examples per second"))


def test_missing_rows_are_named_with_the_command_that_measures_them(tmp_path: Path) -> None:
    with pytest.raises(NightliteError, match=r"rows examples_per_second_\*. Received: 1k. Measure them: python -m"):
        curve.draw(rows()[:2], tmp_path / "curve.svg")
