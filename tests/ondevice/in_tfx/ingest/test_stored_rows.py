"""Rows on the disk: they come back as they were, in files without a name, and memory does not grow with them."""

import io
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from nightlite.errors import DataError
from nightlite.ondevice.in_tfx.ingest.stored_rows import RowsWriter, stored, unpacked

COUNT = 100
WIDE = np.random.default_rng(1).integers(0, 256, (COUNT, 3, 5), np.uint8)
NARROW = np.random.default_rng(2).normal(size=(COUNT, 1)).astype(np.float32)


def slices(rows: int) -> list[dict[str, np.ndarray]]:
    return [
        {"wide": WIDE[first : first + rows], "narrow": NARROW[first : first + rows]} for first in range(0, COUNT, rows)
    ]


@pytest.mark.parametrize("rows", [1, 7, COUNT])
def test_rows_come_back_whatever_the_slices(tmp_path: Path, rows: int) -> None:
    found = stored(slices(rows), tmp_path)
    assert len(found) == COUNT
    some = np.random.default_rng(3).permutation(COUNT)[:40]
    for index in (slice(None), slice(13, 77), slice(5, 5), some, np.array([3, 4, 5, 5, 6, 0, 1]), np.array([99])):
        part = found.part(index)
        assert list(part) == ["wide", "narrow"]
        for name, raw in (("wide", WIDE), ("narrow", NARROW)):
            assert part[name].dtype == raw.dtype
            np.testing.assert_array_equal(part[name], raw[index])


def test_a_slice_without_rows_is_none(tmp_path: Path) -> None:
    [first, *_] = slices(10)
    empty = {name: raw[:0] for name, raw in first.items()}
    writer = RowsWriter(tmp_path)
    for part in (empty, first, empty):
        writer.append(part)
    assert writer.count == 10
    np.testing.assert_array_equal(writer.finish().part(slice(None))["wide"], WIDE[:10])


def test_files_have_no_name_and_need_no_folder_of_their_own(tmp_path: Path) -> None:
    found = stored(slices(10), tmp_path / "not" / "there")
    assert os.listdir(tmp_path) == []
    np.testing.assert_array_equal(found.part(slice(None))["narrow"], NARROW)


def test_files_are_closed_with_their_last_user(tmp_path: Path) -> None:
    before = os.listdir("/proc/self/fd")
    found = stored(slices(10), tmp_path)
    assert len(os.listdir("/proc/self/fd")) == len(before) + 1
    del found
    assert len(os.listdir("/proc/self/fd")) == len(before)


@pytest.mark.parametrize("fill", [lambda place: stored(slices(10), place), lambda place: unpacked([b"x"], place)])
def test_a_full_disk_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fill) -> None:
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: io.FileIO("/dev/full", "wb"))
    with pytest.raises(DataError) as error:
        fill(tmp_path)
    assert str(error.value) == (
        f"{tmp_path}: the source's values could not be kept there while they are read: No space left on device. "
        "See to the disk, then ingest again"
    )


# In a process of its own, since the kernel keeps the largest memory that a process ever had.
_PEAKS = """
import sys
from pathlib import Path
import numpy as np
from nightlite.ondevice.in_tfx.ingest.examples import Split
from nightlite.ondevice.in_tfx.ingest.stored_rows import stored

def peak():
    [line] = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
    return int(line.split()[1]) // 1024

for slices in (32, 96):
    draw = np.random.default_rng(1)
    parts = ({"x": draw.integers(0, 256, (256, 4096), np.uint8)} for _ in range(slices))
    split = Split(stored(parts, Path(sys.argv[1])), np.arange(slices * 256) % 3)
    split.sha256()
    split.by_content().sha256()
    print(peak())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_does_not_grow_with_the_examples(tmp_path: Path) -> None:
    """32 MiB of raw values, then 96, in the order of the file and in another."""
    peaks = subprocess.run(
        [sys.executable, "-c", _PEAKS, str(tmp_path)], check=True, capture_output=True, text=True
    ).stdout.split()
    assert int(peaks[1]) - int(peaks[0]) < 16
