"""A gate is one row: everything else that knows of it is made of the row."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from models.mnist.on_device import MODEL
from nightlite.ondevice.run_parameters import parameters

PROJECT = Path(__file__).resolve().parents[3]
VARIABLE = "NIGHTLITE_MNIST_" + "MAX_THREADS"  # no setting but here
ROW = 'EdgeGate("max_threads", 2.0, (-1, 64), "threads", "threads of the runtime", lambda found: float(found.threads)),'
LOOK = """
import json
from docs import generated
from models.mnist.on_device import MODEL
from nightlite.ondevice import settings
from nightlite.ondevice.gates.edge import edge_gates
from nightlite.ondevice.run_parameters import parameters, run_params
from tests.ondevice.gates.test_edge import EXPECTED, MEASURED
RunParams = run_params(MODEL)
judged = edge_gates(MEASURED, RunParams(max_threads=0).model_dump(), EXPECTED, "none", "EdgeValidator")
print(json.dumps({
    "default": RunParams().max_threads,
    "variable": settings.run_defaults(MODEL)["max_threads"],
    "form": next(item.json_schema for item in parameters(MODEL) if item.name == "max_threads"),
    "verdict": [str(gate) for gate in judged if not gate.passed],
    "documents": [*generated.gates().splitlines(), *generated.settings_file().splitlines()],
}))
"""


def test_a_row_is_all_that_a_new_gate_needs(tmp_path: Path) -> None:
    for name in ("pipeline_lib", "docs", "tests/ondevice/gates"):
        shutil.copytree(PROJECT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "images"))
    shutil.copy(PROJECT / "tests" / "names.py", tmp_path / "tests")
    table = tmp_path / "pipeline_lib/nightlite/ondevice/gates/table.py"
    before = table.read_text()
    table.write_text(before.replace("EDGE: tuple[EdgeGate, ...] = (", f"EDGE: tuple[EdgeGate, ...] = (\n    {ROW}"))
    assert table.read_text() != before
    env = os.environ | {"PYTHONPATH": f"{tmp_path / 'pipeline_lib'}:{tmp_path}", VARIABLE: "3"}
    done = subprocess.run(
        [sys.executable, "-c", LOOK], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["default"], found["variable"]) == (2.0, 3.0)
    assert found["form"] == {
        "type": "number",
        "minimum": -1,
        "maximum": 64,
        "section": "Gates",
        "title": "At most: threads of the runtime",
        "description": "Threads of the runtime, in threads; -1 refuses everything",
    }
    assert found["verdict"] == ["threads of the runtime: 1 threads, expected <= 0 threads (max_threads)"]
    assert f"#{VARIABLE}=2" in found["documents"]
    assert "| `max_threads` | 2 | -1 to 64 | threads | threads of the runtime |" in found["documents"]


def test_the_documents_are_what_make_docs_writes() -> None:
    done = subprocess.run(
        ["make", "--no-print-directory", "lint-docs"], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_two_bounds_have_one_title_in_the_form() -> None:
    titles = [item.json_schema["title"] for item in parameters(MODEL)]
    assert len(titles) == len(set(titles))
