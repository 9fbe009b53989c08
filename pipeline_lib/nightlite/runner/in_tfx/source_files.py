"""Source files that a module reaches by its imports, found without importing anything.

Only our modules and the user's are followed, which are outside of Python's standard library and its site-packages.
Each unchanged file is read once, and a warm server's children inherit the result. docs/decisions/0014-cache-keys.md
says why the standard library's `modulefinder` does not fit.
"""

import ast
import functools
import hashlib
import importlib.util
import os
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
_INSTALLED = {"site-packages", "dist-packages"}
# A package's other files are its data, except those for tools only.
_FOR_TOOLS = {"ruff.toml", "py.typed"}


def own_folders(import_path: Sequence[str]) -> list[str]:
    """Return the folders of an import path that hold neither Python's own modules nor installed packages."""
    return [folder for folder in import_path if not _is_installed(os.path.abspath(folder))]


def installed_distributions(import_path: Sequence[str]) -> list[str]:
    """Return names and versions, such as `tensorflow-2.21.0`, of the folders on an import path."""
    # Not a package's own copies of others, such as setuptools/_vendor, which its import adds to sys.path.
    folders = (Path(folder) for folder in import_path if os.path.basename(os.path.abspath(folder)) in _INSTALLED)
    return sorted({item.stem for folder in folders for item in folder.glob("*.dist-info")})


def reached(names: Iterable[str], import_path: Sequence[str]) -> dict[str, Path]:
    """Return the modules that importing `names` may import, with their files, packages on the way included.

    Args:
      names: dotted names of modules, or of their contents.
      import_path: folders to search, such as `sys.path`.
    """
    folders = _Folders(own_folders(import_path))
    found: dict[str, Path] = {}
    seen: set[str] = set()
    waiting = list(names)
    while waiting:
        parts = waiting.pop().split(".")
        for length in range(1, len(parts) + 1):
            name = ".".join(parts[:length])
            if name in seen:
                continue
            seen.add(name)
            if file := folders.file_of(name):
                found[name] = file
                package = name if file.name == "__init__.py" else name.rpartition(".")[0]
                waiting += (_absolute(imported, package) for imported in imports(file))
    return found


def package_data(modules: Mapping[str, Path]) -> dict[str, Path]:
    """Return the files beside packages' modules, templates for instance, by `package/relative path`."""
    found = {}
    for name, file in modules.items():
        if file.name == "__init__.py":
            for item in _data_files(file.parent):
                found[f"{name}/{item.relative_to(file.parent).as_posix()}"] = item
    return found


def digest(file: Path) -> str:
    """Return sha256 (hex) of a file; of a Python file without its comments, layout and docstrings."""
    return _read(file, *_version(file))[0]


def imports(file: Path) -> tuple[str, ...]:
    """Return the names that a Python file imports anywhere in it, a relative one with its leading dots."""
    return _read(file, *_version(file))[1]


def _version(file: Path) -> tuple[int, int, int]:
    status = file.stat()
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size


@functools.cache
def _read(file: Path, *_version: int) -> tuple[str, tuple[str, ...]]:
    content = file.read_bytes()
    try:
        tree = ast.parse(content) if file.suffix == ".py" else None
    except (SyntaxError, ValueError, RecursionError):  # importing it will report that
        tree = None
    if tree is None:
        return hashlib.sha256(content).hexdigest(), ()
    imported = tuple(dict.fromkeys(name for item in ast.walk(tree) for name in _imported_by(item)))
    for item in ast.walk(tree):
        if isinstance(item, _DOCUMENTED) and ast.get_docstring(item, clean=False) is not None:
            del item.body[0]
    return hashlib.sha256(ast.dump(tree).encode("utf-8", "surrogatepass")).hexdigest(), imported


def _imported_by(statement: ast.AST) -> Iterator[str]:
    if isinstance(statement, ast.Import):
        yield from (alias.name for alias in statement.names)
    elif isinstance(statement, ast.ImportFrom):
        module = "." * statement.level + (statement.module or "")
        yield module
        # Any of them may be a module of the package.
        yield from (f"{module}{'' if module.endswith('.') else '.'}{alias.name}" for alias in statement.names)


def _absolute(name: str, package: str) -> str:
    try:
        return importlib.util.resolve_name(name, package)
    except ImportError:  # more dots than packages
        return name.lstrip(".")


def _data_files(folder: Path) -> Iterator[Path]:
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.name.startswith(".") or entry.name in ("__pycache__", *_FOR_TOOLS):
                continue
            if entry.is_dir():
                if not os.path.exists(os.path.join(entry.path, "__init__.py")):  # a package of its own
                    yield from _data_files(Path(entry.path))
            elif entry.is_file() and not entry.name.endswith((".py", ".pyc")):
                yield Path(entry.path)


@functools.cache
def _is_installed(folder: str) -> bool:
    paths = sysconfig.get_paths()
    standard = [Path(paths[name]).resolve() for name in ("stdlib", "platstdlib")]
    place = Path(folder).resolve()
    return not _INSTALLED.isdisjoint(place.parts) or any(place.is_relative_to(one) for one in standard)


class _Folders:
    """The folders in which modules are searched."""

    def __init__(self, folders: Sequence[str]) -> None:
        self._folders = folders
        self._inside: dict[str, Sequence[str]] = {}

    def file_of(self, name: str) -> Path | None:
        """Return the file of a module of ours or the user's, or None for any other name."""
        package, _, last = name.rpartition(".")
        if package:
            inside = self._inside.get(package)
            spec = PathFinder.find_spec(name, list(inside)) if inside else None
        else:
            spec = None if last in sys.stdlib_module_names else PathFinder.find_spec(last, self._folders)
            spec = spec or _found_by_hook(last)
        if spec is None:
            return None
        self._inside[name] = list(spec.submodule_search_locations or ())
        # A package of several folders has no origin, a zipped module none that is a file.
        return Path(spec.origin) if spec.origin and os.path.isfile(spec.origin) else None


def _found_by_hook(name: str) -> ModuleSpec | None:
    """Return a module that only an editable install's import hook finds."""
    if name in sys.stdlib_module_names:
        return None
    for finder in sys.meta_path:
        if getattr(finder, "__module__", "").startswith("__editable__") and (spec := finder.find_spec(name, None)):
            return spec
    return None
