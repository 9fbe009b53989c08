"""This very nightlite, as uv can install it into the TFX environment: nodes import it there, not from Airflow's."""

import hashlib
import zipfile
from collections.abc import Iterable
from importlib.metadata import Distribution, distribution
from pathlib import Path

from nightlite.paths import IS_CHECKOUT, PROJECT

_NAME = "nightlite"
_METADATA = {"METADATA", "WHEEL", "entry_points.txt"}


def digest() -> str:
    """Return a digest of the files of this nightlite, or "" of a checkout, which is installed by reference."""
    if IS_CHECKOUT:
        return ""
    mine = _installed()
    lines = [mine.version, *files_of((mine.read_text("RECORD") or "").splitlines())]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def files_of(record: Iterable[str]) -> list[str]:
    """Return the package's files with their digests from a RECORD, without what an installer adds to it."""
    lines = (line for line in record if line.startswith(f"{_NAME}/") and "__pycache__/" not in line)
    return sorted(line.rpartition(",")[0] for line in lines)


def own(folder: Path) -> list[str | Path]:
    """Return the arguments with which `uv pip install` installs this nightlite. `folder` may receive a wheel."""
    return ["--editable", PROJECT] if IS_CHECKOUT else [pack(_installed(), folder)]


def pack(installed: Distribution, folder: Path) -> Path:
    """Return a wheel of an installed distribution, which was itself a wheel. It need not be on any index."""
    wheel = folder / f"{_NAME}-{installed.version}-py3-none-any.whl"
    info = f"{_NAME}-{installed.version}.dist-info"
    names = [file.as_posix() for file in installed.files or () if _is_of_the_wheel(file.parts)]
    with zipfile.ZipFile(wheel, "w") as packed:
        for name in names:
            packed.write(str(installed.locate_file(name)), name)
        # With the digests, by which `check` compares the two sides.
        kept = [line for line in (installed.read_text("RECORD") or "").splitlines() if line.partition(",")[0] in names]
        packed.writestr(f"{info}/RECORD", "".join(f"{line}\n" for line in [*kept, f"{info}/RECORD,,"]))
    return wheel


def _is_of_the_wheel(parts: tuple[str, ...]) -> bool:
    if parts[0] == _NAME:
        return "__pycache__" not in parts
    return parts[0].endswith(".dist-info") and parts[-1] in _METADATA


def _installed() -> Distribution:
    return distribution(_NAME)
