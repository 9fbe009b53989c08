"""A new model as a copy of another: `nightlite new NAME --like OTHER`. There is no template beside the examples."""

import keyword
import re
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from nightlite.did_you_mean import did_you_mean
from nightlite.errors import UsageError
from nightlite.ondevice.model import LITE
from nightlite.paths import PROJECT
from nightlite.settings import PREFIX

_PATTERN = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
# It begins ids, folders and variables. TFX takes 63 characters for a pipeline's; with 24, no line needs another break.
_LONGEST = 24
# Folders of the state folder, where a model's is `var/<name>/`.
_STATE = frozenset({"airflow", "bench", "cache", "compiled", "feed", "metadata", "run", "tmp"})
_TEST = "test_model.py"


def make(name: str, like: str, variables: Collection[str], project: Path = PROJECT) -> list[Path]:
    """Copy a model, its DAGs and its test under another name. Return what was made.

    Everything is made, or nothing.

    Args:
      name: the new model's.
      like: the copied model's.
      variables: the names of all variables that the deployment reads.
      project: the checkout.

    Raises:
      UsageError: there is no such model to copy, or the name is malformed, reserved or taken.
    """
    examples = sorted(path.parent.name for path in (project / "tests" / "models").glob(f"*/{_TEST}"))
    if like not in examples:
        raise UsageError(
            f"{did_you_mean([like], examples)}--like: expected a model with a test {_TEST} ({', '.join(examples)}). "
            f"Received: {like!r}"
        )
    require_usable(name, variables, project)
    made = _places(name, project)
    with _nothing_half_made(made.values()):
        for kind, source in _places(like, project).items():
            _copy(source, made[kind], like, name)
        _format(made.values(), project)
    return list(made.values())


def require_usable(name: str, variables: Collection[str], project: Path) -> None:
    """Refuse a name that Python, TFX, Airflow or this project would not take.

    Raises:
      UsageError: it is malformed, too long, reserved or taken.
    """
    if not _PATTERN.fullmatch(name):
        raise UsageError(f"expected a name of a-z, 0-9 and single _, a letter first, such as wine. Received: {name!r}")
    if len(name) > _LONGEST:
        raise UsageError(
            f"expected a name of {_LONGEST} characters or fewer, because it begins ids and variables. "
            f"Received: {len(name)}"
        )
    if name.endswith(LITE):
        raise UsageError(
            f"expected a name that does not end in {LITE}, because the nodes of a file do. Received: {name!r}"
        )
    if keyword.iskeyword(name) or keyword.issoftkeyword(name):
        raise UsageError(f"expected a name that Python takes for a package. Received: {name!r}, a keyword of Python")
    if name in _STATE:
        raise UsageError(f"expected a name that is free in the state folder. Received: {name!r}, a folder of ours")
    for place in _places(name, project).values():
        if place.exists():
            raise UsageError(
                f"expected a name that is free. Received: {name!r}, but {place} exists; choose another name"
            )
    if _is_module(name, project):
        # Airflow imports dags/<name>.py as <name>, which would hide it.
        raise UsageError(f"expected a name that no module has. Received: {name!r}, which Python or a package has")
    prefix = f"{PREFIX}{name.upper()}_"
    if clashing := sorted(variable for variable in variables if variable.startswith(prefix)):
        raise UsageError(
            f"expected a name whose variables, {prefix}…, are free. Received: {name!r}, but {clashing[0]} is another's"
        )


def renamed(text: str, like: str, name: str) -> str:
    """Return a file's text with the model's own names changed: modules, DAGs, Assets, nodes, folders, variables.

    Words about its data stay, for they are to be replaced by a person.
    """
    own = "|".join(
        [
            rf"(?<=\bmodels[./]){like}\b",
            rf'(?<=\bname="){like}(?=")',
            rf"\b{like}(?=_(?:tflite|lite|ingest|feed|data|releases)\b)",
            rf"(?<=\bTrainer\.){like}\b|(?<=\bEvaluator\.){like}\b|(?<=\bPusher\.){like}\b",
            rf"(?<=\bvar/){like}\b|(?<=\bdags/){like}\b|(?<=--model ){like}\b",
        ]
    )
    variables = rf"(?<=\b{PREFIX}){like.upper()}(?=_)"
    return re.sub(variables, name.upper(), re.sub(own, name, text))


def _places(name: str, project: Path) -> Mapping[str, Path]:
    return {
        "model": project / "pipeline_lib" / "models" / name,
        "test": project / "tests" / "models" / name,
        "dags": project / "dags" / f"{name}.py",
    }


def _is_module(name: str, project: Path) -> bool:
    if name in sys.stdlib_module_names or (project / name).exists() or (project / "pipeline_lib" / name).exists():
        return True
    packages = project.glob(".venvs/*/lib/python*/site-packages")
    return any((folder / name).exists() or (folder / f"{name}.py").exists() for folder in packages)


@contextmanager
def _nothing_half_made(places: Collection[Path]) -> Iterator[None]:
    try:
        yield
    except BaseException:
        for place in places:
            if place.is_dir():
                shutil.rmtree(place)
            else:
                place.unlink(missing_ok=True)
        raise


def _copy(source: Path, target: Path, like: str, name: str) -> None:
    if source.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(renamed(source.read_text(encoding="utf-8"), like, name), encoding="utf-8")
        return
    # Of the tests only the one that any model has: others are about the example's own parts.
    files = [source / _TEST] if source.parent.parent.name == "tests" else sorted(source.rglob("*"))
    for file in files:
        if file.is_file() and "__pycache__" not in file.parts:
            _copy(file, target / file.relative_to(source), like, name)


def _format(places: Collection[Path], project: Path) -> None:
    """Let ruff wrap lines again, which have another length, if this environment has it."""
    ruff = Path(sys.executable).with_name("ruff")
    if ruff.exists():
        for command in (["check", "--quiet", "--no-cache", "--fix-only"], ["format", "--quiet", "--no-cache"]):
            subprocess.run([ruff, *command, *places], cwd=project, check=True)
