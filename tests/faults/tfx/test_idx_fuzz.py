"""IDX files as an enemy makes them: read, or refused in one sentence; never more than some MB of memory."""

import gzip
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline_lib.errors import DataError
from pipeline_lib.mnist.dataset import Split
from pipeline_lib.mnist.idx import MAX_EXAMPLES, read_images, read_labels
from pipeline_lib.places import PROJECT
from tests.mnist.made_digits import idx_bytes

IMAGES = idx_bytes(np.random.default_rng(0).integers(0, 256, (3, 28, 28), np.uint8))
LABELS = idx_bytes(np.array([0, 9, 5], np.uint8))
READERS: dict[str, Callable[[Path], np.ndarray]] = {"images": read_images, "labels": read_labels}

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


# RLIMIT_DATA: what a file that is mapped read-only takes is the page cache's, and given back where memory is short.
_IN_LITTLE_MEMORY = """
import resource, sys
from pathlib import Path
from pipeline_lib.cli import main
import pipeline_lib.mnist.commands, pipeline_lib.mnist.idx, pipeline_lib.mnist.sources
lines = Path("/proc/self/status").read_text().splitlines()
in_use = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmData"))
resource.setrlimit(resource.RLIMIT_DATA, (in_use + 64 * 2**20,) * 2)
sys.argv[1:] = ["ingest", sys.argv[1]]
main()
"""


def test_a_bomb_that_tells_the_truth_is_read_in_little_memory(tmp_path: Path) -> None:
    """A million black images, 784 MB of them, in a file of 762 KB: all of it allowed, and so are its three labels."""
    folder = tmp_path / "idx"
    folder.mkdir()
    bomb = gzip.compress(idx_bytes(np.zeros((1, 28, 28), np.uint8), MAX_EXAMPLES) + bytes((MAX_EXAMPLES - 1) * 784))
    assert len(bomb) < 1_000_000
    (folder / "train-images-idx3-ubyte.gz").write_bytes(bomb)
    (folder / "train-labels-idx1-ubyte").write_bytes(LABELS)
    done = subprocess.run(
        [sys.executable, "-c", _IN_LITTLE_MEMORY, str(folder)],
        env={"PYTHONPATH": str(PROJECT), "MNIST_LITE_VAR_DIR": str(tmp_path / "var"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    said = " ".join(done.stderr.split())
    assert done.returncode == 1, said
    assert "Traceback" not in said and "expected one label for each of the 1,000,000 images" in said
    assert not (tmp_path / "var" / "data").exists()
    assert list((tmp_path / "var" / "cache" / "mnist").iterdir()) == []


def test_a_large_split_is_not_copied_to_be_told_from_others() -> None:
    split = Split(np.zeros((20_000, 28, 28), np.uint8), np.zeros(20_000, np.uint8))
    tracemalloc.start()
    try:
        split.sha256()
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
