"""The fence between the two environments: which side may import what, by reading and by running."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from pipeline_lib.graph import CompiledPipeline, Node

PROJECT = Path(__file__).resolve().parents[2]
TFX = {"tensorflow", "tensorflow_transform", "tensorflow_model_analysis", "tensorflow_data_validation", "keras"}
TFX |= {"tfx", "tfx_bsl", "ml_metadata", "apache_beam", "ai_edge_litert"}
CORE = {"pydantic", "pydantic_settings", "typer", "rich"} | set(sys.stdlib_module_names)

# side: (its files, what none of them may import)
SIDES = {
    "core": (
        [*sorted((PROJECT / "pipeline_lib").glob("*.py")), *sorted((PROJECT / "pipeline_lib/releases").glob("*.py"))],
        {"airflow", "pipeline_lib.airflow", "pipeline_lib.tfx", "pipeline_lib.mnist"} | TFX,
    ),
    "airflow": (
        [*sorted((PROJECT / "dags").rglob("*.py")), *sorted((PROJECT / "pipeline_lib/airflow").rglob("*.py"))],
        TFX | {"pipeline_lib.tfx", "pipeline_lib.mnist"},
    ),
    "mnist": (
        sorted((PROJECT / "pipeline_lib/mnist").rglob("*.py")),
        {"airflow", "pipeline_lib.tfx", "pipeline_lib.airflow"},
    ),
    "bench, airflow": (
        [path for path in sorted((PROJECT / "bench").glob("*.py")) if not path.name.startswith("tfx_")],
        TFX | {"pipeline_lib.tfx", "pipeline_lib.mnist"},
    ),
    "bench, tfx": (sorted((PROJECT / "bench").glob("tfx_*.py")), {"airflow", "pipeline_lib.airflow"}),
    "tfx": (sorted((PROJECT / "pipeline_lib/tfx").rglob("*.py")), {"airflow", "pipeline_lib.airflow"}),
}


def imports(path: Path) -> Iterator[str]:
    """Every module that a file names in an import, anywhere in it; `from a import b` may mean the module `a.b`."""
    package = path.relative_to(PROJECT).with_suffix("").parts[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join([*parents, *filter(None, [node.module])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("__import__", "importlib.import_module"):
            yield from (argument.value for argument in node.args[:1] if isinstance(argument, ast.Constant))


def within(module: str, packages: set[str]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


@pytest.mark.parametrize("side", SIDES)
def test_no_side_imports_what_it_must_not(side):
    files, forbidden = SIDES[side]
    assert files, f"no files on the side {side!r}"
    found = [
        f"{path.relative_to(PROJECT)}: {name}" for path in files for name in imports(path) if within(name, forbidden)
    ]
    assert found == []


# The warm server holds the rest of this side in memory, and must hold nothing of the user's: an edit would not be seen.
IMPORTS_USERS_CODE = {"pipeline.py", "evaluation.py", "commands.py", "curated_schema.py"}


def test_what_the_warm_server_loads_imports_nothing_of_the_users():
    found = {
        path.name for path in SIDES["tfx"][0] if any(within(name, {"pipeline_lib.mnist"}) for name in imports(path))
    }
    assert found <= IMPORTS_USERS_CODE


# Only in the TFX environment, where releases are signed and signatures checked.
SIGNING = {"cryptography", "model_signing"}


def test_core_imports_only_the_standard_library_and_pydantic():
    files, _ = SIDES["core"]
    foreign = {
        f"{path.name}: {name}"
        for path in files
        for name in imports(path)
        if name and not within(name, CORE | {"pipeline_lib"} | (SIGNING if path.name == "signing.py" else set()))
    }
    assert foreign == set()


BLOCK = """
import runpy, sys
class Fence:
    def find_spec(self, name, path=None, target=None):
        if any(name == banned or name.startswith(banned + ".") for banned in {forbidden!r}):
            raise AssertionError("crossed the fence: " + name)
sys.meta_path.insert(0, Fence())
sys.path.insert(0, {project!r})
"""


def run_fenced(
    forbidden: set[str], code: str, python: str | Path = sys.executable, **env: str
) -> subprocess.CompletedProcess[str]:
    text = BLOCK.format(forbidden=sorted(forbidden), project=str(PROJECT)) + code
    return subprocess.run(
        [python, "-c", text], check=False, env={"PATH": "/usr/bin:/bin", **env}, capture_output=True, text=True
    )


def test_core_runs_without_either_side():
    paths = [path.relative_to(PROJECT).with_suffix("") for path in SIDES["core"][0] if path.stem != "__init__"]
    names = [".".join(path.parts) for path in paths]
    done = run_fenced(SIDES["core"][1] | SIGNING, "".join(f"import {name}\n" for name in names))
    assert done.returncode == 0, done.stderr


def test_dags_run_without_tensorflow(tmp_path):
    compiled = tmp_path / "compiled.json"
    CompiledPipeline(tfx_version="1.21.0", name="p", nodes=(Node(id="Pusher", type="x.Pusher"),), ir={}).write(compiled)
    code = "".join(
        f"dags = runpy.run_path({str(path)!r})\nprint([*getattr(dags['dag'], 'task_ids', [])])\n"
        for path in sorted((PROJECT / "dags").glob("*.py"))
    )
    # These tests may run in either environment; the dags need Airflow's.
    python = sys.executable if find_spec("airflow") else PROJECT / ".venvs/airflow/bin/python"
    env = {"AIRFLOW_HOME": str(tmp_path), "MNIST_LITE_COMPILED_PIPELINE": str(compiled)}
    done = run_fenced(SIDES["airflow"][1], code, python, **env)
    assert done.returncode == 0, done.stderr
    assert "['Pusher', 'Approval']" in done.stdout


def test_predict_and_models_run_without_tensorflow(tmp_path):
    """They need LiteRT, so this runs where it is; TensorFlow is in that environment, too, and must not be imported."""
    here = find_spec("ai_edge_litert") is not None
    python = sys.executable if here else PROJECT / ".venvs/tfx/bin/python"
    heavy = TFX - {"ai_edge_litert"} | {"airflow", "pipeline_lib.tfx"}
    code = "import pipeline_lib.mnist.commands, pipeline_lib.releases.commands, pipeline_lib.mnist.recognition\n"
    code += "import pipeline_lib.mnist.try_release, model_signing.signing\n"
    code += "assert 'tensorflow' not in sys.modules and 'ai_edge_litert' in sys.modules"
    done = run_fenced(heavy, code, python)
    assert done.returncode == 0, done.stderr
