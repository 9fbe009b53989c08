"""Edits that make nodes run again, tried on copies of the code without running a node."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tfx import v1 as tfx

from models.mnist.on_device import MODEL
from nightlite.deployment.settings import Settings
from nightlite.ondevice.in_tfx.compile import compile_model
from nightlite.paths import PROJECT
from nightlite.runner.compiled_pipeline import CompiledPipeline
from nightlite.runner.in_tfx.compile import compile_pipeline
from nightlite.runner.in_tfx.node import bound_pipeline
from tests.pipelines import odd

Edit = Callable[[Path], object]
_EVALUATORS = {"Evaluator.mnist", "Evaluator.mnist_lite"}


def appended(text: str) -> Edit:
    return lambda file: file.write_text(file.read_text() + text)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> CompiledPipeline:
    return compile_model(MODEL, Settings(var_dir=tmp_path_factory.mktemp("var")))


@pytest.fixture(scope="module")
def checkouts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return two copies of the code, each beside packages of its own."""
    folders = tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("another")
    for folder in folders:
        for name in ("pipeline_lib", "tests/pipelines"):
            shutil.copytree(PROJECT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        (folder / "site-packages" / "tensorflow-2.21.0.dist-info").mkdir(parents=True)
    return folders


def fingerprints(compiled: CompiledPipeline, *folders: Path, own_environment: tuple[str, ...] = ()) -> dict[str, str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            sys,
            "path",
            [str(place) for folder in folders for place in (folder / "pipeline_lib", folder, folder / "site-packages")],
        )
        pipeline = bound_pipeline(compiled, "run", {}, own_environment=own_environment)
    nodes = {item.pipeline_node.node_info.id: item.pipeline_node.parameters.parameters for item in pipeline.nodes}
    return {name: values["code_sha256"].field_value.string_value for name, values in nodes.items()}


def changed(compiled: CompiledPipeline, folder: Path, edit: Callable[[], object]) -> set[str]:
    before = fingerprints(compiled, folder)
    edit()
    after = fingerprints(compiled, folder)
    return {name for name in before if before[name] != after[name]}


@pytest.mark.parametrize(
    ("file", "edit", "nodes"),
    [
        ("nightlite/ondevice/gates/edge.py", appended("\nX = 1\n"), {"EdgeValidator"}),
        (
            "nightlite/ondevice/gates/table.py",
            appended("\nX = 1\n"),
            {"EdgeValidator", "DataGate", "Pusher.mnist_lite"},
        ),
        ("nightlite/ondevice/run_parameters.py", appended("\nX = 1\n"), {"Pusher.mnist_lite"}),
        ("nightlite/ondevice/in_tfx/evaluation/class_metrics.py", appended("\nX = 1\n"), _EVALUATORS),
        ("models/mnist/model/network.py", appended("\nX = 1\n"), {"Trainer.mnist"}),
        ("nightlite/ondevice/in_tfx/conversion/tflite_file.py", appended("\nX = 1\n"), {"Trainer.mnist_lite"}),
        ("models/mnist/model/preprocessing.py", appended("\nX = 1\n"), {"Transform"}),
        ("nightlite/ondevice/spans.py", appended("\nX = 1\n"), {"ImportExampleGen"}),
        ("nightlite/ondevice/in_tfx/report/comparison.py", appended("\nX = 1\n"), {"ModelReport"}),
        (
            "nightlite/ondevice/in_tfx/report/templates/gates.html.j2",
            appended("<p>"),
            {"ModelReport", "OutcomeReport", "DataGate"},
        ),
        ("models/mnist/model/trainer.py", appended("\n# a comment\n"), set()),
        (
            "models/mnist/model/trainer.py",
            lambda file: file.write_text(f'"""Another docstring."""\n{_without_docstring(file)}'),
            set(),
        ),
        ("models/mnist/predict/drawing.py", appended("\nX = 1\n"), set()),
        ("nightlite/runner/in_tfx/warm/server.py", appended("\nX = 1\n"), set()),
        ("nightlite/ondevice/in_tfx/edge_validator/component.py", appended("\nX = 1\n"), set()),
        ("nightlite/errors.py", appended("\nX = 1\n"), set()),
        ("models/mnist/on_device.py", appended("\nX = 1\n"), set()),
        ("nightlite/runner/ruff.toml", lambda file: file.write_text(""), set()),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_edit_makes_those_nodes_run_again_that_depend_on_it(
    compiled: CompiledPipeline, checkouts: tuple[Path, Path], file: str, edit: Edit, nodes: set[str]
) -> None:
    place = checkouts[0] / "pipeline_lib" / file
    assert changed(compiled, checkouts[0], lambda: edit(place)) == nodes


def _without_docstring(file: Path) -> str:
    return file.read_text().split('"""', 2)[2]


def test_another_version_of_tensorflow_makes_every_node_run_again_that_has_an_executor(
    compiled: CompiledPipeline, checkouts: tuple[Path, Path]
) -> None:
    installed = checkouts[0] / "site-packages" / "tensorflow-2.21.0.dist-info"
    nodes = changed(
        compiled, checkouts[0], lambda: installed.rename(installed.with_name("tensorflow-2.22.0.dist-info"))
    )
    assert nodes == {node.id for node in compiled.nodes if not node.system}


def test_the_same_code_elsewhere_is_the_same(compiled: CompiledPipeline, checkouts: tuple[Path, Path]) -> None:
    here = fingerprints(compiled, PROJECT, checkouts[1])  # the project's modules, the checkout's packages
    assert here == fingerprints(compiled, checkouts[1])


def trainer(**code: str) -> CompiledPipeline:
    examples = tfx.components.ImportExampleGen(input_base="x").outputs["examples"]
    component = tfx.components.Trainer(examples=examples, custom_config={"loss": "losses.mine"}, **code)
    return compile_pipeline(tfx.dsl.Pipeline("p", "root", components=[component]))


@pytest.fixture
def users(tmp_path: Path) -> Path:
    """Return a user's modules, which would raise if they were imported."""
    for name, text in (("mine", "import sibling\nraise SystemExit"), ("sibling", ""), ("losses", ""), ("other", "")):
        (tmp_path / f"{name}.py").write_text(text)
    return tmp_path


@pytest.mark.parametrize("named_by", ["run_fn", "module_file"])
def test_a_users_top_level_module_its_siblings_and_what_its_config_names_count(users: Path, named_by: str) -> None:
    by_file = named_by == "module_file"
    compiled = trainer(module_file=str(users / "mine.py")) if by_file else trainer(run_fn="mine.run_fn")
    for name, nodes in (("mine", {"Trainer"}), ("sibling", {"Trainer"}), ("other", set())):
        edit = users / f"{name}.py"
        # A module file's folder need not be on the path.
        folder = users / "elsewhere" if by_file else users
        assert changed(compiled, folder, lambda edit=edit: appended("\nX = 1\n")(edit)) == nodes, name
    assert changed(compiled, users, lambda: appended("\nX = 1\n")(users / "losses.py")) == {"Trainer"}


def test_a_component_outside_this_package_counts(checkouts: tuple[Path, Path], tmp_path: Path) -> None:
    compiled = compile_pipeline(odd.create_pipeline(str(tmp_path), str(tmp_path)), odd.PARAMETERS)
    file = checkouts[1] / "tests" / "pipelines" / "odd.py"
    nodes = changed(compiled, checkouts[1], lambda: appended("\nX = 1\n")(file))
    assert nodes == {"Echo", "Guarded", "Moody", "After"}


def test_a_nodes_own_environment_counts(compiled: CompiledPipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    def of_trainer() -> str:
        names = ("TF_USE_LEGACY_KERAS", "PYTHONPATH")
        return fingerprints(compiled, PROJECT, own_environment=names)["Trainer.mnist"]

    seen = set()
    for value in ("0", "1"):
        monkeypatch.setenv("TF_USE_LEGACY_KERAS", value)
        seen.add(of_trainer())
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    assert of_trainer() in seen and len(seen) == 2
