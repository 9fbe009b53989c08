"""The lines that say how far an ingest is, elsewhere than on a terminal."""

import itertools
import time

import pytest

from nightlite.ondevice.in_tfx.ingest import progress


def taken(monkeypatch: pytest.MonkeyPatch, seconds_an_item: float) -> list[str]:
    """Take seven items on a clock that goes on at each look, as parts of 19 shards."""
    clock = itertools.count(0, seconds_an_item)
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    return list(progress.shown("abcdefg", "Writing train", 19, "shards"))


def test_a_line_every_ten_seconds_says_how_much_is_done(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert taken(monkeypatch, 4) == [*"abcdefg"]
    out, err = capsys.readouterr()
    assert (out, err.splitlines()) == ("", ["Writing train: 3 of 19 shards", "Writing train: 6 of 19 shards"])


def test_what_is_quick_says_nothing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    taken(monkeypatch, 1)
    assert capsys.readouterr() == ("", "")


def test_slices_count_their_rows_and_no_total(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "_SECONDS", 0)
    list(progress.shown(["x" * 1_000_000, "x" * 250_000], "Reading rows", size=len))
    assert capsys.readouterr().err.splitlines() == ["Reading rows: 1,000,000", "Reading rows: 1,250,000"]
