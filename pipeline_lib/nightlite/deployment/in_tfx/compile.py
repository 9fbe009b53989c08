"""Compile each model's pipeline into the one file that its DAG reads.

python -m nightlite.deployment.in_tfx.compile [--model NAME]
"""

import argparse
import sys

from nightlite import native_log
from nightlite.deployment.settings import settings
from nightlite.errors import NightliteError
from nightlite.settings_file import read_settings_file

with native_log.muted():
    from nightlite.deployment.models import model_named, models
    from nightlite.ondevice.in_tfx.compile import compile_model
    from nightlite.ondevice.model import OnDeviceModel
    from nightlite.runner.in_tfx import node_log


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m nightlite.deployment.in_tfx.compile", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--model", metavar="NAME", help="default: every model that is switched on")
    options = parser.parse_args()
    node_log.quiet()
    try:
        read_settings_file()
        wanted = [model_named(options.model)] if options.model else models().values()
    except NightliteError as error:
        return _refused(error)
    return max(map(_compile, wanted))


def _compile(model: OnDeviceModel) -> int:
    """Write one model's pipeline. Return 1 if it cannot be compiled, which keeps no other from being written."""
    try:
        compiled, file = compile_model(model, settings()), settings().compiled_file(model)
        done = "written to" if compiled.write(file) else "unchanged in"
    except NightliteError as error:
        return _refused(error)
    print(f"compiled {compiled.name}: {len(compiled.nodes)} nodes, {file.stat().st_size:,} bytes, {done} {file}")
    return 0


def _refused(error: NightliteError) -> int:
    print(f"compile: {error}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
