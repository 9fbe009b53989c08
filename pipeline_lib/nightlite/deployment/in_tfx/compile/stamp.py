"""Stamps of compiled pipelines: what each was made of, to be compared without importing TFX or the model.

A stamp lies beside its compiled pipeline. It holds digests of all that decides the compiled file: the sources of
ours and the user's that its compilation had imported, their packages' data, the schema, the `NIGHTLITE_` variables,
the interpreter and the installed distributions. See docs/decisions/0004-where-the-time-goes.md.
"""

import contextlib
import hashlib
import json
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from nightlite import durable
from nightlite.deployment.model_names import names
from nightlite.paths import PROJECT, var_dir
from nightlite.runner.in_tfx import source_files

_SUFFIX = ".made-from"
_DECIDING = ("NIGHTLITE_", "PYTHONPATH")
# These decide nothing that is compiled, and a digest of a secret is not for a file.
_SECRETS = ("PASSWORD", "TOKEN")
_NO_SOURCE = (".", "__pycache__")


@dataclass(frozen=True)
class Stamp:
    """What one compiled pipeline was made of.

    Attributes:
      file, sha256: the compiled pipeline.
      nodes: how many it has.
      circumstances: digest of settings, interpreter and installed packages.
      sources: sha256 of each file that had a part in it; empty for a file that was absent.
      folders: digest of the names in each folder of these, because a new module can hide another.
    """

    file: str
    sha256: str
    nodes: int
    circumstances: str
    sources: dict[str, str]
    folders: dict[str, str]

    @classmethod
    def of(cls, file: Path, nodes: int, sources: Iterable[Path]) -> Self:
        """Return the stamp of a pipeline that this process has just compiled from these sources."""
        found = sorted({str(source) for source in sources})
        folders = sorted({os.path.dirname(source) for source in found})
        return cls(
            str(file),
            sha256_of(str(file)),
            nodes,
            circumstances(),
            {source: sha256_of(source) for source in found},
            {folder: _names_in(folder) for folder in folders},
        )

    @property
    def holds(self) -> bool:
        """Return whether compiling again would give the file that is there."""
        return (
            sha256_of(self.file) == self.sha256
            and circumstances() == self.circumstances
            and all(_names_in(folder) == found for folder, found in self.folders.items())
            and all(sha256_of(source) == found for source, found in self.sources.items())
        )

    def write(self, model: str) -> None:
        """Write the stamp of that model, beside its compiled pipeline."""
        durable.write(_place(Path(self.file).parent, model), json.dumps(asdict(self), indent=1).encode())


def read(folder: Path, model: str) -> Stamp | None:
    """Return a model's stamp in the folder of compiled pipelines, or None if there is none that can be read."""
    try:
        return Stamp(**json.loads(_place(folder, model).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def forget(folder: Path, model: str) -> None:
    """Remove a model's stamp."""
    _place(folder, model).unlink(missing_ok=True)


def compiled_folder() -> Path:
    """Return the folder of compiled pipelines, as `Settings.compiled_file` has it."""
    return Path(os.path.abspath(os.environ.get("NIGHTLITE_COMPILED_DIR") or var_dir() / "compiled"))


def imported_sources() -> list[Path]:
    """Return the files of ours and the user's that this process has imported, and their packages' data."""
    modules = {name: Path(file) for name, file in _own_modules()}
    return [*modules.values(), *source_files.package_data(modules).values()]


def of_model(sources: Iterable[Path], folder: Path, name: str) -> list[Path]:
    """Leave out the files of other models, unless a source of this model mentions that model's package.

    Args:
      sources: what a process has imported that may have compiled several models.
      folder: that of all models, `models`.
      name: this model's.
    """
    others: dict[str, list[Path]] = {}
    kept: list[Path] = []
    for source in sources:
        inside = source.relative_to(folder).parts if source.is_relative_to(folder) else ()
        if len(inside) > 1 and inside[0] != name:
            others.setdefault(inside[0], []).append(source)
        else:
            kept.append(source)
    checked = 0
    while checked < len(kept):
        source, checked = kept[checked], checked + 1
        if others and source.is_relative_to(folder):
            text = source.read_bytes()
            for other in [other for other in others if other.encode() in text]:
                kept += others.pop(other)
    return kept


def changed_since(sources: Iterable[Path], seconds: float) -> bool:
    """Return whether one of these was written after that time, and so perhaps after it was imported."""
    for source in sources:
        with contextlib.suppress(FileNotFoundError):
            if source.stat().st_ctime >= seconds:
                return True
    return False


def circumstances() -> str:
    """Return a digest of the settings, the interpreter and the installed packages."""
    variables = sorted(
        (name, value)
        for name, value in os.environ.items()
        if name.upper().startswith(("NIGHTLITE_", "PYTHONPATH"))
        and not any(secret in name.upper() for secret in _SECRETS)
    )
    made_by = [sys.executable, sys.version, str(PROJECT), os.getcwd(), names(), variables]
    told = json.dumps([*made_by, source_files.installed_distributions(sys.path)])
    return hashlib.sha256(told.encode("utf-8", "surrogateescape")).hexdigest()


def sha256_of(file: str) -> str:
    """Return the digest of a file's bytes, or nothing if it cannot be read."""
    try:
        with open(file, "rb") as content:
            return hashlib.sha256(content.read()).hexdigest()
    except OSError:
        return ""


def _place(folder: Path, model: str) -> Path:
    return folder / f"{model}{_SUFFIX}"


def _names_in(folder: str) -> str:
    try:
        found = sorted(name for name in os.listdir(folder) if not name.startswith(_NO_SOURCE))
    except OSError:
        return ""
    return hashlib.sha256("\0".join(found).encode("utf-8", "surrogateescape")).hexdigest()


def _own_modules() -> Iterator[tuple[str, str]]:
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file and file.endswith(".py") and source_files.own_folders([os.path.dirname(file)]):
            yield name, os.path.abspath(file)
