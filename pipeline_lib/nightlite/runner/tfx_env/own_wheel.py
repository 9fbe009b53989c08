"""This very nightlite, as uv can install it into the TFX environment: nodes import it there, not from Airflow's."""

import hashlib
import zipfile
from importlib.metadata import Distribution, distribution
from pathlib import Path

from nightlite.paths import IS_CHECKOUT, PROJECT

_NAME = "nightlite"
_METADATA = {"METADATA", "WHEEL", "entry_points.txt"}


def digest() -> str:
    """Return a digest of the files of this nightlite, or "" of a checkout, which is installed by reference."""
    return "" if IS_CHECKOUT else hashlib.sha256((_installed().read_text("RECORD") or "").encode()).hexdigest()


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
        packed.writestr(f"{info}/RECORD", "".join(f"{name},,\n" for name in [*names, f"{info}/RECORD"]))
    return wheel


def _is_of_the_wheel(parts: tuple[str, ...]) -> bool:
    if parts[0] == _NAME:
        return "__pycache__" not in parts
    return parts[0].endswith(".dist-info") and parts[-1] in _METADATA


def _installed() -> Distribution:
    return distribution(_NAME)
