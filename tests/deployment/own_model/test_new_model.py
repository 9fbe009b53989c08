"""A copy of each example under another name: whole, of its own names, and free of what no interpreter would take."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from nightlite.deployment.own_model import new_model
from nightlite.deployment.own_model.new_model import make, renamed
from nightlite.deployment.setting_check import known_variables
from nightlite.errors import UsageError
from nightlite.paths import PROJECT
from nightlite.settings import PREFIX

EXAMPLES = sorted(path.parent.name for path in (PROJECT / "tests" / "models").glob("*/test_model.py"))
NAME = "of_this_test"  # no model that someone adds has it
_SHOWN = """
import sys
from models.{name}.on_device import MODEL
from nightlite.ondevice.run_parameters import run_params
run_params(MODEL)
print(MODEL.name, MODEL.run_fn, MODEL.ingest)
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a checkout's folders that hold models."""
    for folder in ("pipeline_lib/models", "dags", "tests/models"):
        shutil.copytree(PROJECT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__", "slow"))
    shutil.copy(PROJECT / "pyproject.toml", tmp_path)
    return tmp_path


def files(project: Path) -> set[str]:
    return {str(path.relative_to(project)) for path in project.rglob("*") if path.is_file()}


@pytest.mark.parametrize("like", EXAMPLES)
@pytest.mark.parametrize("name", [NAME, "w" * 24])
def test_a_copy_has_every_file_under_its_own_name_and_ruff_has_nothing_to_say(
    project: Path, like: str, name: str
) -> None:
    before = files(project)
    made = make(name, like, known_variables(), project)
    new = files(project) - before
    assert {path.relative_to(project).parts[0] for path in made} == {"pipeline_lib", "dags", "tests"}
    model = {path for path in before if path.startswith(f"pipeline_lib/models/{like}/")}
    assert new == {
        *(path.replace(f"models/{like}/", f"models/{name}/") for path in model),
        f"dags/{name}.py",
        f"tests/models/{name}/test_model.py",
    }
    for path in new:
        assert not re.search(
            rf'models[./]{like}\b|name="{like}"|\b{like}_(?:tflite|data|releases)', (project / path).read_text()
        ), path
    ruff = [Path(sys.executable).with_name("ruff"), "check", "--quiet", *made]
    subprocess.run(ruff, cwd=project, check=True)
    subprocess.run([ruff[0], "format", "--check", "--quiet", *made], cwd=project, check=True)


def test_a_copy_is_a_model_of_its_own_functions(project: Path) -> None:
    make(NAME, EXAMPLES[-1], known_variables(), project)
    shutil.copytree(PROJECT / "pipeline_lib" / "nightlite", project / "pipeline_lib" / "nightlite")
    command = [sys.executable, "-c", _SHOWN.format(name=NAME)]
    env = {"PYTHONPATH": str(project / "pipeline_lib")}
    done = subprocess.run(command, env=env, cwd=project, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"{NAME} models.{NAME}.")
    assert done.stdout.strip().endswith(f"models.{NAME}.ingest:ingest")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Wine", "expected a name of a-z, 0-9 and single _, a letter first, such as wine. Received: 'Wine'"),
        ("red-wine", "expected a name of a-z"),
        ("red__wine", "expected a name of a-z"),
        ("2wines", "expected a name of a-z"),
        ("../wine", "expected a name of a-z"),
        ("w" * 25, "expected a name of 24 characters or fewer, because it begins ids and variables. Received: 25"),
        ("red_lite", "expected a name that does not end in _lite"),
        ("class", "'class', a keyword of Python"),
        ("match", "'match', a keyword of Python"),
        ("json", "'json', which Python or a package has"),
        ("pytest", "'pytest', which Python or a package has"),
        ("models", "'models', which Python or a package has"),
        ("compiled", "'compiled', a folder of ours"),
        ("keep", "whose variables, NIGHTLITE_KEEP_…, are free. Received: 'keep', but NIGHTLITE_KEEP_ARTIFACT_RUNS is"),
        ("metadata", "a folder of ours"),
        (EXAMPLES[0], "exists; choose another name"),
        ("mnist_consumer", "exists; choose another name"),
    ],
)
def test_a_name_that_something_would_not_take_is_refused_and_nothing_is_made(
    project: Path, name: str, said: str
) -> None:
    (project / ".venvs" / "tfx" / "lib" / "python3.11" / "site-packages" / "pytest").mkdir(parents=True)
    before = files(project)
    with pytest.raises(UsageError, match=re.escape(said)):
        make(name, EXAMPLES[0], known_variables(), project)
    assert files(project) == before


def test_a_half_made_model_of_a_failure_does_not_stay(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = files(project)

    def fail(*_: object) -> None:
        assert files(project) != before
        raise KeyboardInterrupt

    monkeypatch.setattr(new_model, "_format", fail)
    with pytest.raises(KeyboardInterrupt):
        make(NAME, EXAMPLES[0], known_variables(), project)
    assert files(project) == before and not (project / "tests" / "models" / NAME).exists()


def test_an_unknown_example_is_refused_with_those_that_there_are(project: Path) -> None:
    with pytest.raises(
        UsageError, match=rf"--like: expected a model with a test test_model.py \({', '.join(EXAMPLES)}"
    ):
        make(NAME, "nothing_like_it", known_variables(), project)


def test_names_change_and_words_about_the_data_stay() -> None:
    text = 'from models.cats.x import y\nname="cats"\nsources={"cats": 1}\nTrainer.cats_lite cats_data var/cats cats'
    assert renamed(text, "cats", "dogs") == (
        'from models.dogs.x import y\nname="dogs"\nsources={"cats": 1}\nTrainer.dogs_lite dogs_data var/dogs cats'
    )
    assert renamed(f"{PREFIX}CATS_EPOCHS, MY_CATS_X", "cats", "dogs") == f"{PREFIX}DOGS_EPOCHS, MY_CATS_X"
