"""IDX files: whole ones are read, every damaged one is refused in one line that names it."""

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from models.mnist.data.idx import read_images, read_labels
from models.mnist.model.features import IMAGE_KEY
from nightlite.errors import DataError
from tests.models.mnist.made_digits import idx_bytes

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 28, 28), np.uint8)
LABELS = np.array([0, 9, 5, 5, 1], np.uint8)
WHOLE = idx_bytes(IMAGES)
Write = Callable[[bytes], Path]


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_reads_what_was_written(write_file: Write, pack: Callable[[bytes], bytes]) -> None:
    np.testing.assert_array_equal(read_images(write_file(pack(WHOLE))).part(slice(None))[IMAGE_KEY], IMAGES)
    np.testing.assert_array_equal(read_labels(write_file(pack(idx_bytes(LABELS)))), LABELS)


def _damaged(content: bytes, at: int) -> bytes:
    packed = bytearray(gzip.compress(content))
    packed[at] ^= 0xFF
    return bytes(packed)


BAD_IMAGES = {
    "plain, truncated": (WHOLE[:-100], "expected 3,920 bytes of data after the header. Received: 3,820"),
    "plain, one byte short": (WHOLE[:-1], "expected 3,920 bytes of data after the header. Received: 3,919"),
    "plain, over-long": (WHOLE + b"!", "expected 3,920 bytes of data after the header. Received: 3,921"),
    "gzip, over-long": (gzip.compress(WHOLE + b"!"), "Received: 3,921"),
    "gzip, truncated inside": (gzip.compress(WHOLE[:-1]), "Received: 3,919"),
    "gzip, cut off": (gzip.compress(WHOLE)[:-40], "expected a whole gzip file"),
    "gzip, wrong CRC": (_damaged(WHOLE, -6), "CRC check failed"),
    "gzip, damaged stream": (_damaged(WHOLE, 10), "expected a whole gzip file"),
    "gzip, rubbish behind": (gzip.compress(WHOLE) + b"rubbish", "expected a whole gzip file"),
    "HTML": (b"<!DOCTYPE html><html>", "begins 00 00 08 03. Received: 3c 21 44 4f"),
    "labels for images": (idx_bytes(LABELS), "in 3 dimension(s), which begins 00 00 08 03. Received: 00 00 08 01"),
    "empty file": (b"", "Received: an empty file"),
    "header cut off": (WHOLE[:10], "expected a header of 16 bytes. Received: 10"),
    "floats": (b"\0\0\x0d" + WHOLE[3:], "Received: 00 00 0d 03"),
    "another shape": (idx_bytes(np.zeros((5, 32, 30), np.uint8)), "of shape (28, 28). Received: 5 of (32, 30)"),
    "lying header": (gzip.compress(idx_bytes(IMAGES, 2**32 - 1)), "expected 3,367,254,359,280 bytes of data"),
    "empty set": (idx_bytes(IMAGES[:0]), "Received: 0 of (28, 28)"),
}


@pytest.mark.parametrize(("content", "message"), BAD_IMAGES.values(), ids=BAD_IMAGES.keys())
def test_refuses(write_file: Write, content: bytes, message: str) -> None:
    with pytest.raises(DataError) as error:
        read_images(write_file(content))
    assert "some-idx-file.gz: expected" in str(error.value)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_refuses_a_label_outside_0_to_9(write_file: Write) -> None:
    with pytest.raises(DataError, match=r"expected labels from 0 to 9\. Received: 10 as label 2 .*, 2 such"):
        read_labels(write_file(idx_bytes(np.array([0, 9, 10, 3, 255], np.uint8))))


def test_refuses_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="missing: cannot be read: No such file"):
        read_images(tmp_path / "missing")
    with pytest.raises(DataError, match="cannot be read: Is a directory"):
        read_images(tmp_path)
