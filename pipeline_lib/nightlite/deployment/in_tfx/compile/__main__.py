"""Compile each model's pipeline into the one file that its DAG reads.

python -m nightlite.deployment.in_tfx.compile [--model NAME]

A pipeline whose stamp still holds is left as it is, without importing TFX. Others are compiled in a child of the warm
server, if one runs for this code, else in this process.
"""

import argparse
import os
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from nightlite.deployment.in_tfx.compile import stamp as stamps
from nightlite.deployment.in_tfx.compile.stamp import Stamp
from nightlite.deployment.model_names import names
from nightlite.errors import NightliteError
from nightlite.paths import runtime_dir
from nightlite.runner.in_tfx.warm import client
from nightlite.settings_file import read_settings_file

_COMPILER = "nightlite.deployment.in_tfx.compile.models"


def main() -> int:
    since = time.time()
    parser = argparse.ArgumentParser(
        prog="python -m nightlite.deployment.in_tfx.compile", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--model", metavar="NAME", help="default: every model that is switched on")
    options = parser.parse_args()
    try:
        read_settings_file()
        wanted = [options.model] if options.model else [name for name in names() if _may_be_enabled(name)]
    except NightliteError as error:
        print(f"compile: {error}", file=sys.stderr)
        return 1
    current = _current(wanted)
    for stamp in current.values():
        name, size = Path(stamp.file).stem, os.path.getsize(stamp.file)
        print(f"compiled {name}: {stamp.nodes} nodes, {size:,} bytes, unchanged in {stamp.file}", flush=True)
    changed = [name for name in wanted if name not in current]
    return _compile([str(since), *changed]) if changed or not current else 0


def _may_be_enabled(name: str) -> bool:
    """Return whether a model is switched on. Settings are read only where one of its variables says something."""
    variable = f"NIGHTLITE_{name}_ENABLED".upper()
    if not any(known.upper() == variable for known in os.environ):
        return True
    from nightlite.ondevice.settings import is_enabled

    return is_enabled(name)


def _current(wanted: Iterable[str]) -> dict[str, Stamp]:
    """Return the stamps that hold, by the models' names."""
    folder = stamps.compiled_folder()
    found = {name: stamps.read(folder, name) for name in wanted}
    return {name: stamp for name, stamp in found.items() if stamp and stamp.holds}


def _compile(arguments: Sequence[str]) -> int:
    code = client.call(_COMPILER, arguments, runtime_dir())
    if code is None:
        from nightlite.deployment.in_tfx.compile import models

        code = models.main(arguments)
    return code


if __name__ == "__main__":
    sys.exit(main())
