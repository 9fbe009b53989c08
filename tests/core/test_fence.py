"""The fence between the two environments: import-linter (see pyproject.toml) refuses what it should; and the rest."""

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import grimp

PROJECT = Path(__file__).resolve().parents[2]
CORE = {"dotenv", "pydantic", "pydantic_settings", "rich", "typer"}
# Only in the TFX environment, where releases are signed and signatures checked.
SIGNING = {"cryptography", "model_signing"}
TFX = {"tensorflow", "tensorflow_transform", "tensorflow_model_analysis", "tensorflow_data_validation", "keras"}
TFX |= {"tfx", "tfx_bsl", "ml_metadata", "apache_beam"}


# What must be refused: a line at the end of a file, and how it is named.
WRONG = (
    ("pipeline_lib/gates.py", "import tensorflow", "pipeline_lib.gates -> tensorflow"),
    ("pipeline_lib/graph.py", "def late():\n    from airflow.sdk import DAG", "pipeline_lib.graph -> airflow"),
    ("pipeline_lib/locks.py", "import pipeline_lib.mnist.idx", "pipeline_lib.locks -> pipeline_lib.mnist.idx"),
    ("pipeline_lib/releases/store.py", "from tfx import v1", "pipeline_lib.releases.store -> tfx"),
    ("pipeline_lib/airflow/stack.py", "import ml_metadata", "pipeline_lib.airflow.stack -> ml_metadata"),
    ("pipeline_lib/client/rest.py", "import apache_beam", "pipeline_lib.client.rest -> apache_beam"),
    ("pipeline_lib/client/runs.py", "import airflow", "pipeline_lib.client.runs -> airflow"),
    ("pipeline_lib/airflow/drop.py", "from ..tfx import node", "pipeline_lib.airflow.drop -> pipeline_lib.tfx.node"),
    ("dags/mnist_tflite.py", "import keras", "dags.mnist_tflite -> keras"),
    ("bench/rows.py", "import bench.tfx.local_run", "bench.rows -> bench.tfx.local_run"),
    ("bench/tfx/digits.py", "import airflow", "bench.tfx.digits -> airflow"),
    ("pipeline_lib/tfx/node.py", "import airflow", "pipeline_lib.tfx.node -> airflow"),
    ("pipeline_lib/mnist/model.py", "import airflow", "pipeline_lib.mnist.model -> airflow"),
    ("pipeline_lib/mnist/ink.py", "import pipeline_lib.tfx.node", "pipeline_lib.mnist.ink -> pipeline_lib.tfx.node"),
    ("pipeline_lib/tfx/facts.py", "import pipeline_lib.mnist.idx", "pipeline_lib.tfx.facts -> pipeline_lib.mnist.idx"),
)


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo"]
    env = {**os.environ, "COLUMNS": "200"}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)


def test_every_wrong_import_is_refused_by_name(tmp_path: Path) -> None:
    for name in ("pipeline_lib", "bench", "dags"):
        shutil.copytree(PROJECT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PROJECT / "pyproject.toml", tmp_path)
    assert lint_imports(tmp_path).returncode == 0
    for file, line, _ in WRONG:
        with (tmp_path / file).open("a") as module:
            module.write(f"\n{line}\n")
    done = lint_imports(tmp_path)
    assert done.returncode == 1
    assert [named for *_, named in WRONG if f"- {named} (l." not in " ".join(done.stdout.split())] == []


def core_modules() -> list[str]:
    paths = [*(PROJECT / "pipeline_lib").glob("*.py"), *(PROJECT / "pipeline_lib/releases").glob("*.py")]
    return [".".join(path.relative_to(PROJECT).with_suffix("").parts) for path in paths if path.stem != "__init__"]


def test_core_imports_only_the_standard_library_and_what_both_environments_have() -> None:
    graph = grimp.build_graph("pipeline_lib", include_external_packages=True, cache_dir=None)
    foreign = {
        f"{module} -> {name}"
        for module in core_modules()
        for name in graph.find_modules_directly_imported_by(module)
        if name.split(".")[0] not in {"pipeline_lib", *CORE, *sys.stdlib_module_names}
    }
    assert foreign == {f"pipeline_lib.releases.signing -> {name}" for name in SIGNING}


def test_predict_and_models_run_without_tensorflow() -> None:
    """They need LiteRT, so this runs where it is; TensorFlow is in that environment, too, and must not be imported."""
    here = find_spec("ai_edge_litert") is not None
    python = sys.executable if here else PROJECT / ".venvs/tfx/bin/python"
    code = "import sys, pipeline_lib.mnist.commands, pipeline_lib.releases.commands, pipeline_lib.mnist.recognition\n"
    code += "import pipeline_lib.mnist.try_release, model_signing.signing\n"
    code += "print(*{name.split('.')[0] for name in sys.modules}, 'pipeline_lib.tfx' in sys.modules)"
    env = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(PROJECT)}
    imported = subprocess.run([python, "-c", code], check=True, env=env, capture_output=True, text=True).stdout.split()
    assert "ai_edge_litert" in imported and {*TFX, "airflow", "True"}.isdisjoint(imported)
