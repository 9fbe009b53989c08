"""Compile the deployment's pipeline into the one file that its DAG reads.

python -m nightlite.deployment.in_tfx.compile [--output FILE]
"""

import argparse
import sys
from pathlib import Path

from nightlite import native_log
from nightlite.deployment.settings import settings
from nightlite.errors import NightliteError
from nightlite.settings_file import read_settings_file

with native_log.muted():
    from nightlite.deployment.models import the_model
    from nightlite.ondevice.in_tfx.compile import compile_model
    from nightlite.runner.in_tfx import node_log


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m nightlite.deployment.in_tfx.compile", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--output", type=Path, help="default: the file that the DAG reads")
    options = parser.parse_args()
    node_log.quiet()
    try:
        read_settings_file()
        output = options.output or settings().compiled_path
        compiled = compile_model(the_model(), settings())
        written = compiled.write(output)
    except NightliteError as error:
        print(f"compile: {error}", file=sys.stderr)
        return 1
    done = "written to" if written else "unchanged in"
    print(f"compiled {compiled.name}: {len(compiled.nodes)} nodes, {output.stat().st_size:,} bytes, {done} {output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
