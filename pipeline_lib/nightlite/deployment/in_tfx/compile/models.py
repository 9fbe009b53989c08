"""Compile models' pipelines in this process, which imports TFX: the part of the command `compile` that takes long.

`main` is also what a child of the warm server runs.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from nightlite import native_log
from nightlite.deployment import model_names
from nightlite.deployment.in_tfx.compile import stamp as stamps
from nightlite.deployment.settings import settings
from nightlite.errors import NightliteError
from nightlite.settings import forget_settings

with native_log.muted():
    from nightlite.deployment.models import model_named, models
    from nightlite.ondevice.in_tfx.compile import compile_model
    from nightlite.ondevice.model import OnDeviceModel
    from nightlite.runner.in_tfx import node_log


def main(arguments: Sequence[str]) -> int:
    """Compile the models of these names and return the exit code.

    Args:
      arguments: the time in seconds at which the command began, then the names; without a name, every enabled model.
    """
    since, *wanted = arguments
    node_log.quiet()
    forget_settings()
    try:
        found = [model_named(name) for name in wanted] if wanted else list(models().values())
    except NightliteError as error:
        return _refused(error)
    return max(_compile(model, float(since)) for model in found)


def _compile(model: OnDeviceModel, since: float) -> int:
    """Write one model's pipeline. Return 1 if it cannot be compiled, which keeps no other from being written."""
    try:
        file = settings().compiled_file(model)
        stamps.forget(file.parent, model.name)
        compiled = compile_model(model, settings())
        done = "written to" if compiled.write(file) else "unchanged in"
        _stamp(model, file, len(compiled.nodes), since)
    except NightliteError as error:
        return _refused(error)
    print(f"compiled {compiled.name}: {len(compiled.nodes)} nodes, {file.stat().st_size:,} bytes, {done} {file}")
    return 0


def _stamp(model: OnDeviceModel, file: Path, nodes: int, since: float) -> None:
    imported = stamps.of_model(stamps.imported_sources(), model_names.FOLDER, model.name)
    sources = [*imported, settings().schema_file(model)]
    if not stamps.changed_since(sources, since):
        stamps.Stamp.of(file, nodes, sources).write(model.name)


def _refused(error: NightliteError) -> int:
    print(f"compile: {error}", file=sys.stderr)
    return 1
