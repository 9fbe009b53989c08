"""IDX files as an enemy makes them: read, or refused in one sentence."""

import gzip
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.mnist.data.idx import read_images, read_labels
from nightlite.errors import DataError
from nightlite.ondevice.in_tfx.ingest.examples import Split
from tests.models.mnist.made_digits import idx_bytes

IMAGES = idx_bytes(np.random.default_rng(0).integers(0, 256, (3, 28, 28), np.uint8))
LABELS = idx_bytes(np.array([0, 9, 5], np.uint8))
READERS: dict[str, Callable[[Path], np.ndarray]] = {
    "images": lambda file: read_images(file).part(slice(None))["image_floats"],
    "labels": read_labels,
}

# Where the format has its fields, faults tell most: half of the positions are in the header.
positions = st.one_of(st.integers(0, 20), st.integers(0, 3000))
mutations = st.one_of(
    st.tuples(st.just("set"), positions, st.binary(min_size=1, max_size=8)),
    st.tuples(st.just("insert"), positions, st.binary(min_size=1, max_size=64)),
    st.tuples(st.just("cut"), positions, st.binary(min_size=1, max_size=200)),
    st.tuples(st.just("end"), positions, st.just(b"")),
)


def mutated(content: bytes, changes: list[tuple[str, int, bytes]]) -> bytes:
    for kind, at, data in changes:
        at = min(at, len(content))
        match kind:
            case "set":
                content = content[:at] + data + content[at + len(data) :]
            case "insert":
                content = content[:at] + data + content[at:]
            case "cut":
                content = content[:at] + content[at + len(data) :]
            case "end":
                content = content[:at]
    return content


@pytest.mark.parametrize("kind", READERS)
@settings(
    max_examples=400,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(before=st.lists(mutations, max_size=3), after=st.lists(mutations, max_size=2), packed=st.booleans())
def test_a_mutated_file_is_read_or_refused_in_one_sentence(
    tmp_path: Path,
    kind: str,
    before: list[tuple[str, int, bytes]],
    after: list[tuple[str, int, bytes]],
    packed: bool,
) -> None:
    content = mutated(IMAGES if kind == "images" else LABELS, before)
    file = tmp_path / f"{kind}-idx-ubyte"
    file.write_bytes(mutated(gzip.compress(content, mtime=0) if packed else content, after))
    tracemalloc.start()
    try:
        found = READERS[kind](file)
    except DataError as error:
        assert str(error).startswith(str(file)) and "\n" not in str(error)
    else:
        assert found.dtype == np.uint8 and found.shape[1:] == ((28, 28) if kind == "images" else ())
        assert kind == "images" or found.max() <= 9
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak <= 4_000_000


def test_a_large_split_is_not_copied_to_be_told_from_others() -> None:
    split = Split({"image_floats": np.zeros((20_000, 28, 28), np.uint8)}, np.zeros(20_000, np.uint8))
    tracemalloc.start()
    try:
        split.sha256()
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
