"""The fence between the two environments: import-linter (see pyproject.toml) refuses what it should; and the rest."""

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import grimp

PROJECT = Path(__file__).resolve().parents[2]
SOURCES = PROJECT / "pipeline_lib"
# jinja2 comes with Airflow, and pyproject.toml names it for TFX.
CORE = {"dotenv", "jinja2", "pydantic", "pydantic_settings", "rich", "typer"}
# Only in the TFX environment, where releases are signed and signatures checked.
SIGNING = {"cryptography", "model_signing"}
TFX = {"tensorflow", "tensorflow_transform", "tensorflow_model_analysis", "tensorflow_data_validation", "keras"}
TFX |= {"tfx", "tfx_bsl", "ml_metadata", "apache_beam"}


# What must be refused: a line at the end of a file, and how it is named.
WRONG = (
    ("nightlite/ondevice/gates/gate.py", "import tensorflow", "tensorflow"),
    ("nightlite/runner/compiled_pipeline.py", "def late():\n    from airflow.sdk import DAG", "airflow"),
    ("nightlite/locks.py", "import models.mnist.data.idx", "models.mnist.data.idx"),
    ("nightlite/ondevice/releases/store.py", "from tfx import v1", "tfx"),
    ("nightlite/deployment/local/stack.py", "import ml_metadata", "ml_metadata"),
    ("nightlite/deployment/client/rest.py", "import apache_beam", "apache_beam"),
    ("nightlite/deployment/client/runs.py", "import airflow", "airflow"),
    (
        "nightlite/ondevice/in_airflow/drop_folder.py",
        "from ...runner.in_tfx import node",
        "nightlite.runner.in_tfx.node",
    ),
    ("dags/mnist.py", "import keras", "keras"),
    ("bench/rows.py", "import bench.tfx.local_run", "bench.tfx.local_run"),
    ("bench/tfx/digits.py", "import airflow", "airflow"),
    ("nightlite/runner/in_tfx/node.py", "import airflow", "airflow"),
    ("models/mnist/model/network.py", "import airflow", "airflow"),
    ("nightlite/ondevice/in_tfx/node_outcome.py", "import models.mnist.data.idx", "models.mnist.data.idx"),
)


# A line that closes a circle among the modules and packages of the folder that is named.
CIRCLES = (
    # run_node imports the warm client, and the warm server's children import requests.
    ("nightlite/runner/in_tfx/request.py", "from nightlite.runner.in_tfx import run_node", "nightlite.runner.in_tfx"),
    (
        "nightlite/ondevice/releases/anchor.py",
        "import nightlite.ondevice.releases.store",
        "nightlite.ondevice.releases",
    ),
    ("nightlite/ondevice/results/outcome.py", "import nightlite.ondevice.report.run_report", "nightlite.ondevice"),
    (
        "nightlite/ondevice/in_tfx/answers/eval_answers.py",
        "def late():\n    from nightlite.ondevice.in_tfx.report import pages",
        "nightlite.ondevice.in_tfx",
    ),
    (
        "nightlite/deployment/client/connection.py",
        "import nightlite.deployment.client.runs",
        "nightlite.deployment.client",
    ),
    ("nightlite/deployment/setting_check.py", "import nightlite.deployment.local.stack", "nightlite.deployment"),
)


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo"]
    env = {**os.environ, "COLUMNS": "200", "PYTHONPATH": str(folder / "pipeline_lib")}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)


def test_every_wrong_import_is_refused_by_name(tmp_path: Path) -> None:
    for name in ("pipeline_lib", "bench", "dags"):
        shutil.copytree(PROJECT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PROJECT / "pyproject.toml", tmp_path)
    assert lint_imports(tmp_path).returncode == 0
    for file, line, _ in (*WRONG, *CIRCLES):
        with _place(tmp_path, file).open("a") as module:
            module.write(f"\n{line}\n")
    done = lint_imports(tmp_path)
    assert done.returncode == 1
    said = " ".join(done.stdout.split())
    named = [f"{file.removesuffix('.py').replace('/', '.')} -> {imported}" for file, _, imported in WRONG]
    assert [one for one in named if f"- {one} (l." not in said] == []
    assert [folder for *_, folder in CIRCLES if f"No cycles are allowed in {folder}." not in said] == []


def _place(checkout: Path, file: str) -> Path:
    return checkout / file if file.startswith(("dags", "bench")) else checkout / "pipeline_lib" / file


def core_modules() -> list[str]:
    paths = [
        path
        for folder in (
            "",
            "runner",
            "ondevice",
            "ondevice/gates",
            "ondevice/releases",
            "ondevice/report",
            "ondevice/results",
        )
        for path in (SOURCES / "nightlite" / folder).glob("*.py")
    ]
    return [".".join(path.relative_to(SOURCES).with_suffix("").parts) for path in paths if path.stem != "__init__"]


def test_core_imports_only_the_standard_library_and_what_both_environments_have() -> None:
    graph = grimp.build_graph("nightlite", include_external_packages=True, cache_dir=None)
    foreign = {
        f"{module} -> {name}"
        for module in core_modules()
        for name in graph.find_modules_directly_imported_by(module)
        if name.split(".")[0] not in {"nightlite", *CORE, *sys.stdlib_module_names}
    }
    assert foreign == {f"nightlite.ondevice.releases.signing -> {name}" for name in SIGNING}


def test_predict_and_models_run_without_tensorflow() -> None:
    """They need LiteRT, so this runs where it is; TensorFlow is in that environment, too, and must not be imported."""
    here = find_spec("ai_edge_litert") is not None
    python = sys.executable if here else PROJECT / ".venvs/tfx/bin/python"
    code = "import sys, models.mnist.predict.commands, models.mnist.predict.recognition\n"
    code += "import models.mnist.predict.try_release, nightlite.deployment.in_tfx.releases_commands\n"
    code += "import nightlite.ondevice.in_tfx.golden_check, model_signing.signing\n"
    code += "print(*{name.split('.')[0] for name in sys.modules}, 'nightlite.runner.in_tfx' in sys.modules)"
    env = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(SOURCES)}
    imported = subprocess.run([python, "-c", code], check=True, env=env, capture_output=True, text=True).stdout.split()
    assert "ai_edge_litert" in imported and {*TFX, "airflow", "True"}.isdisjoint(imported)
