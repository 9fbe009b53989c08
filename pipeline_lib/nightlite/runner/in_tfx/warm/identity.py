"""Which warm server may run a node: one socket per version of everything that a server holds in memory."""

import hashlib
import importlib.util
import os
import sys
import tempfile
from pathlib import Path

from nightlite.paths import SOURCES

# Unix socket paths hold 108 bytes on Linux and 104 on macOS, the name and its ending included.
_LONGEST_FOLDER = 60
_OURS = SOURCES / "nightlite"
_PRELOADED = (
    "*.py",
    "runner/*.py",
    "runner/in_tfx/**/*.py",
    "ondevice/*.py",
    "ondevice/gates/*.py",
    "ondevice/releases/*.py",
    "ondevice/in_tfx/**/*.py",
)


def socket_folder(var_dir: Path) -> Path:
    """The private folder of this deployment's sockets, made if absent, mode 0700.

    Raises:
      PermissionError: it exists and is somebody else's.
    """
    folder = var_dir / "run"
    if len(os.fsencode(folder)) > _LONGEST_FOLDER:
        digest = hashlib.sha256(os.fsencode(var_dir)).hexdigest()[:8]
        folder = Path(tempfile.gettempdir()) / f"mnist-lite-{os.getuid()}-{digest}"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    status = folder.lstat()
    if status.st_uid != os.getuid():
        raise PermissionError(f"expected {folder} to belong to uid {os.getuid()}. Received: uid {status.st_uid}")
    folder.chmod(0o700)
    return folder


def socket_path(var_dir: Path, pipeline: Path) -> Path:
    """The socket of the one server that may run nodes of `pipeline` as everything is now."""
    family = hashlib.sha256(os.fsencode(os.path.abspath(pipeline))).hexdigest()[:8]
    return socket_folder(var_dir) / f"{family}-{_identity(pipeline)}.sock"


def family_of(socket: Path) -> str:
    """What the sockets of one pipeline's servers, older and newer, have in common."""
    return socket.name.partition("-")[0]


def is_outdated(socket: Path, pipeline: Path, var_dir: Path) -> bool:
    """Whether a server that listens there holds what has changed since."""
    try:
        return socket_path(var_dir, pipeline) != socket
    except FileNotFoundError:  # a source file that has gone since it was listed
        return True


def _identity(pipeline: Path) -> str:
    """Our code that the server preloads, the compiled pipeline, and the environment; not the user's code."""
    digest = hashlib.sha256(sys.executable.encode())
    for file in _our_files():
        digest.update(file.relative_to(_OURS).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    digest.update(pipeline.read_bytes() if pipeline.exists() else b"")
    # Installing or removing a package touches its site-packages folder.
    for folder in _package_folders():
        digest.update(f"{folder} {os.stat(folder).st_mtime_ns}".encode())
    return digest.hexdigest()[:16]


def covers(module: str) -> bool:
    """Whether a changed `module` would be another identity, so that a server may hold it in memory.

    Nothing is imported. A user's module is not covered, wherever it lies; an installed one is.
    """
    names = module.split(".")
    if names[0] == _OURS.name:
        place = _OURS.joinpath(*names[1:])
        return not {place.with_name(f"{place.name}.py"), place / "__init__.py"}.isdisjoint(_our_files())
    try:
        spec = importlib.util.find_spec(names[0])
    except ValueError:  # such as __main__
        return False
    places = (spec.submodule_search_locations or [spec.origin or ""]) if spec else []
    return bool(places) and {os.path.dirname(place) for place in places} <= set(_package_folders())


def _our_files() -> list[Path]:
    return [file for pattern in _PRELOADED for file in sorted(_OURS.glob(pattern))]


def _package_folders() -> list[str]:
    return [folder for folder in sys.path if folder.endswith("site-packages") and os.path.isdir(folder)]
