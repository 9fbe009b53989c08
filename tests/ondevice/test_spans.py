"""The spans that a run reads: the newest, one by its number, a window, and what was there at a date."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from nightlite.errors import DataError
from nightlite.ondevice.spans import Manifest, SplitManifest, select


def make_span(data_dir: Path, number: int, created: datetime) -> Path:
    folder = data_dir / f"span-{number}"
    folder.mkdir(parents=True)
    (folder / "train-0").write_bytes(b"abc")
    split = SplitManifest(examples=1, per_class=(1,), content_sha256=str(number), shards={"train-0": 3})
    manifest = Manifest(source="test", created=created, splits={"train": split})
    (folder / "span.json").write_text(manifest.model_dump_json())
    return folder


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """Return spans 1, 2, 4 and 10, made at noon UTC of the first to the fourth of June."""
    for day, number in enumerate((1, 2, 4, 10), start=1):
        make_span(tmp_path, number, datetime(2026, 6, day, 12, tzinfo=UTC))
    for name in (".unfinished-span-11", "span-010", "span-0", "span-x"):  # nobody's
        (tmp_path / name).mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, [10]),
        ({"span": "2"}, [2]),
        ({"window": 3}, [2, 4, 10]),
        ({"span": "4", "window": 2}, [2, 4]),
        ({"span": "2", "window": 9}, [1, 2]),
        ({"as_of": "2026-06-03T12:00:00+00:00"}, [4]),
        ({"as_of": "2026-06-03T11:59:59.999999+00:00"}, [2]),
        ({"as_of": "2026-06-03T13:30:00+02:00"}, [2]),  # 11:30 UTC
        ({"as_of": "2026-06-03T12:00:00"}, [4]),
        ({"as_of": "2026-06-03T12:00:00+00:00", "window": 2}, [2, 4]),
        ({"as_of": "2026-06-01T12:00:00+00:00", "span": "10"}, [10]),  # who names a span gets it
    ],
)
def test_what_is_read(data_dir: Path, asked: dict[str, object], expected: list[int]) -> None:
    assert [span.number for span in select(data_dir, **asked)] == expected


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"span": "3"}, r"expected span 3 in .* no such span \(the newest is 10\)"),
        ({"span": "newest"}, "expected 'latest' or a span's number. Received: 'newest'"),
        ({"as_of": "2026-05-31"}, r"before 2026-05-31 .* none so early \(span 1 is from 2026-06-01 12:00:00\)"),
    ],
)
def test_what_is_not_there_is_said(data_dir: Path, asked: dict[str, str], said: str) -> None:
    with pytest.raises(DataError, match=said):
        select(data_dir, **asked)


def test_no_span_yet(tmp_path: Path) -> None:
    with pytest.raises(
        DataError,
        match="expected a span of data in .* 'nightlite ingest --model .* SOURCE' first: 'nightlite ingest' lists",
    ):
        select(tmp_path / "nowhere")


def test_damage_in_what_is_read_is_said_and_elsewhere_does_not_matter(data_dir: Path) -> None:
    (data_dir / "span-4" / "train-0").write_bytes(b"ab")
    assert [span.number for span in select(data_dir)] == [10]
    with pytest.raises(DataError, match=r"span-4/train-0: expected 3 bytes\. Received: 2"):
        select(data_dir, window=2)
    (data_dir / "span-4" / "train-0").unlink()
    with pytest.raises(DataError, match=r"span-4/train-0: .*No such file"):
        select(data_dir, span="4")
    (data_dir / "span-4" / "span.json").write_text("{}")
    with pytest.raises(DataError, match=r"span-4/span\.json: not a span's manifest"):
        select(data_dir, as_of="2026-06-02T12:00:00+00:00")  # span 4 might have been there by then
    assert [span.number for span in select(data_dir, as_of="2026-06-09")] == [10]
