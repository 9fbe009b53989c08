"""The command that the watched folder's task runs: a drop of each kind, as it lies there."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nightlite.ondevice.in_tfx.ingest.run_ingest import main
from tests.tiny_table.features import FEATURES, LABELS

HEADER = ",".join([*FEATURES, "species"])


@pytest.fixture
def drop(tmp_path: Path) -> Path:
    """Return a drop that was refused before, mended, and is ready again."""
    folder = tmp_path / "drop" / "NAME"
    folder.mkdir(parents=True)
    for name in ("READY", "reason.txt"):
        (folder / name).touch()
    return folder


def test_a_drop_of_tables(drop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, count in (("train.csv", 12), ("eval.csv", 6)):
        rows = [f"{n},1,2,3,{LABELS[n % 3]}" for n in range(count)]
        (drop / name).write_text("\n".join([HEADER, *rows]))
    assert main(["tests.tiny_table.ingest:ingest", str(drop), str(tmp_path / "data")]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["span"], said["examples"], said["newest"]) == (1, {"train": 12, "eval": 6}, True)


def test_a_drop_of_pictures(drop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for index in range(20):
        (drop / str(index % 10)).mkdir(exist_ok=True)
        Image.fromarray(np.full((28, 28), index, np.uint8)).save(drop / str(index % 10) / f"{index}.png")
    assert main(["models.mnist.ingest:ingest", str(drop), str(tmp_path / "data")]) == 0
    assert json.loads(capsys.readouterr().out)["examples"] == {"train": 10, "eval": 10}


def test_a_wrong_drop_is_one_line(drop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (drop / "irises.csv").write_text(f"{HEADER}\n1,2,3,4,setosa\n1,2,3,four,setosa\n")
    assert main(["tests.tiny_table.ingest:ingest", str(drop), str(tmp_path / "data")]) == 1
    assert capsys.readouterr().err.splitlines() == [
        f"{drop}/irises.csv: row 3, column 'petal_width': expected a number. Received: 'four'"
    ]
    assert not (tmp_path / "data").exists()
