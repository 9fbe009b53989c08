"""The modules of pipeline_lib/ that import TFX, its libraries, or TensorFlow, for docs/explanation/why-tfx.md."""

import ast
from dataclasses import dataclass
from pathlib import Path

_SOURCES = Path("pipeline_lib")
_TFX = {"tfx", "ml_metadata"}
_LIBRARIES = {
    *("tensorflow_model_analysis", "tensorflow_data_validation", "tensorflow_transform"),
    *("tfx_bsl", "tensorflow_metadata"),
}
_TENSORFLOW = {"tensorflow", "keras", "apache_beam", "ai_edge_litert"}
_PARTS = ("nightlite/runner", "nightlite/ondevice", "nightlite/deployment", "models")


@dataclass(frozen=True)
class _Module:
    name: str
    lines: int
    imported: frozenset[str]


def _read(path: Path) -> _Module:
    text = path.read_text(encoding="utf-8")
    found: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return _Module(path.relative_to(_SOURCES).as_posix(), len(text.splitlines()), frozenset(found))


def _modules() -> list[_Module]:
    return [_read(path) for path in sorted(_SOURCES.rglob("*.py"))]


def _share(modules: list[_Module], of: list[_Module]) -> str:
    lines, all_lines = (sum(module.lines for module in some) for some in (modules, of))
    return f"{len(modules)}, {lines / all_lines:.0%}" if modules else "none"


def table() -> str:
    """Return, by part and by what they import, the number of modules and their share of the part's lines, as a table.

    No exact lines, which every change of any module would change.
    """
    lines = ["", "| part | imports TFX | only its libraries | only TensorFlow |", "| --- | --- | --- | --- |"]
    found = _modules()
    for part in (*_PARTS, ""):
        own = [module for module in found if module.name.startswith(part)]
        tfx = [module for module in own if module.imported & _TFX]
        libraries = [module for module in own if module.imported & _LIBRARIES and module not in tfx]
        tensorflow = [m for m in own if m.imported & _TENSORFLOW and m not in tfx and m not in libraries]
        columns = " | ".join(_share(modules, own) for modules in (tfx, libraries, tensorflow))
        lines.append(f"| {f'`{part}/`' if part else 'all of `pipeline_lib/`'} | {columns} |")
    return "\n".join([*lines, "", ""])


def modules() -> str:
    """Return each module that imports TFX or a library of it, as a list."""
    wanted = _TFX | _LIBRARIES
    lines = [
        f"- `pipeline_lib/{module.name}`: {', '.join(sorted(module.imported & wanted))}"
        for module in _modules()
        if module.imported & wanted
    ]
    return "\n".join(["", *lines, "", ""])
