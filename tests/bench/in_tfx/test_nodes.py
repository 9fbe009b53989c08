"""The costs of a node: what its process and those below it took, and what a failure says."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.peak_memory import peak_of
from bench.tfx import nodes
from bench.tfx.nodes import Cost
from nightlite.errors import NightliteError


def test_a_child_s_cost_is_its_own() -> None:
    def work() -> None:
        until = time.process_time() + 0.3
        while time.process_time() < until:
            pass

    cost = nodes._in_child("busy", work)
    assert cost.cpu_seconds >= 0.3 and cost.seconds > 0


def test_the_peak_is_that_of_the_largest_process_below() -> None:
    own = peak_of(os.getpid())  # a fork's pages
    code = f"b = bytearray({int(own) + 100} * 2**20)"
    cost = nodes._in_child("large", lambda: subprocess.run([sys.executable, "-c", code], check=True) and None)
    assert own + 100 <= cost.peak_mebibytes < own + 200


def test_a_failed_child_is_named(capfd: pytest.CaptureFixture[str]) -> None:
    def work() -> None:
        raise ValueError("no such digits")

    with pytest.raises(NightliteError, match="ingest failed with exit code 1"):
        nodes._in_child("ingest", work)
    assert "ingest: ValueError: no such digits" in capfd.readouterr().err


def test_the_table_ends_with_sums_and_the_largest_peak(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def costs(examples: int, params: list[str], folder: Path) -> Iterator[tuple[str, Cost]]:
        assert (examples, params, folder.is_dir()) == (1000, ["epochs=1"], True)
        yield "ingest", Cost(1.5, 1.0, 1_200.0)
        yield "Trainer", Cost(1_000.0, 2.0, 800.0)

    monkeypatch.setattr(nodes, "costs", costs)
    file = tmp_path / "nodes.json"
    monkeypatch.setattr(sys, "argv", ["nodes", "1000", "--param", "epochs=1", "--json", str(file)])
    assert nodes.main() == 0
    assert capsys.readouterr().out.splitlines() == [
        "| node | s | CPU s | peak MiB |",
        "| --- | ---: | ---: | ---: |",
        "| ingest | 1.5 | 1.0 | 1,200 |",
        "| Trainer | 1,000.0 | 2.0 | 800 |",
        "| all | 1,001.5 | 3.0 | 1,200 |",
    ]
    assert json.loads(file.read_text())["Trainer"] == {"seconds": 1000.0, "cpu_seconds": 2.0, "peak_mebibytes": 800.0}
