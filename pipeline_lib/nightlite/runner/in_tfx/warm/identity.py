"""The names of warm servers' sockets: one per interpreter, import-time variables, code and installed packages."""

import hashlib
import importlib.util
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from nightlite.paths import PACKAGE as OURS

# Unix socket paths hold 108 bytes on Linux and 104 on macOS.
_LONGEST_FOLDER = 60
# A server may hold any other code of ours, whatever layer it is of.
_NEVER_IN_TFX = "in_airflow"
# Read by Python and packages at import, which a child does not repeat.
_IMPORT_TIME = ("KERAS_", "PYTHON", "TF_", "XLA_")
# They have no effect in memory: a child has its caller's import path and its own stdout.
_NOT_IMPORT_TIME = {"PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "PYTHONUNBUFFERED"}


def socket_folder(var_dir: Path) -> Path:
    """Return the private folder of this deployment's sockets, made if absent, mode 0700.

    Raises:
      PermissionError: it exists and belongs to another user.
    """
    folder = var_dir / "run"
    if len(os.fsencode(folder)) > _LONGEST_FOLDER:
        digest = hashlib.sha256(os.fsencode(var_dir)).hexdigest()[:8]
        folder = Path(tempfile.gettempdir()) / f"nightlite-{os.getuid()}-{digest}"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    status = folder.lstat()
    if status.st_uid != os.getuid():
        raise PermissionError(f"expected {folder} to belong to uid {os.getuid()}. Received: uid {status.st_uid}")
    folder.chmod(0o700)
    return folder


def socket_path(var_dir: Path, environ: Mapping[str, str] = os.environ) -> Path:
    """Return the socket of the only server that may run this interpreter's nodes at present."""
    return socket_folder(var_dir) / f"{_family(environ)}-{version()}.sock"


def family_of(socket: Path) -> str:
    """Return the part of a socket's name that older and newer servers of one kind share."""
    return socket.name.partition("-")[0]


def is_outdated(socket: Path) -> bool:
    """Return whether the server of that socket holds code or packages that have changed since."""
    try:
        return version() != socket.stem.partition("-")[2]
    except FileNotFoundError:  # a source file that was removed after it was listed
        return True


def version() -> str:
    """Return the digest of our code and of the installed packages, but not of the user's code."""
    digest = hashlib.sha256()
    for file in _our_files():
        digest.update(file.relative_to(OURS).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    # Installing or removing a package touches its site-packages folder.
    for folder in _package_folders():
        digest.update(f"{folder} {os.stat(folder).st_mtime_ns}".encode())
    return digest.hexdigest()[:16]


def covers(module: str) -> bool:
    """Return whether a change of `module` would change the identity, so that a server may hold it in memory.

    Nothing is imported. A user's module is not covered, wherever it is. An installed one is.
    """
    names = module.split(".")
    if names[0] == OURS.name:
        place = OURS.joinpath(*names[1:])
        return not {place.with_name(f"{place.name}.py"), place / "__init__.py"}.isdisjoint(_our_files())
    try:
        spec = importlib.util.find_spec(names[0])
    except ValueError:  # such as __main__
        return False
    places = (spec.submodule_search_locations or [spec.origin or ""]) if spec else []
    return bool(places) and {os.path.dirname(place) for place in places} <= set(_package_folders())


def _family(environ: Mapping[str, str]) -> str:
    variables = sorted(
        (name, value)
        for name, value in environ.items()
        if name.startswith(_IMPORT_TIME) and name not in _NOT_IMPORT_TIME
    )
    return hashlib.sha256(os.fsencode(repr((sys.executable, _package_folders(), variables)))).hexdigest()[:8]


def _our_files() -> list[Path]:
    return sorted(file for file in OURS.rglob("*.py") if _NEVER_IN_TFX not in file.relative_to(OURS).parts)


def _package_folders() -> list[str]:
    return [folder for folder in sys.path if folder.endswith("site-packages") and os.path.isdir(folder)]
