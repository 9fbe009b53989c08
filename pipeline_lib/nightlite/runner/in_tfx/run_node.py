"""Run one node of one run of a compiled pipeline. This docstring is the contract with whoever calls it.

    python -m nightlite.runner.in_tfx.run_node --pipeline FILE --node ID --run-id ID [--result FILE]
                                        [--parameters FILE] [--param NAME=VALUE ...] [--own-env NAME ...]
                                        [--runtime warm|cold] [--grace SECONDS] [--log-levels]

`--pipeline`    what `python -m nightlite.deployment.in_tfx.compile` wrote.
`--parameters`  a JSON object of run parameters, by name; `--param` overrides one. What is left out has its default.
`--result`      receives a `nightlite.runner.node_result.NodeResult`, whole or not at all, also where the node failed.
`--own-env`     an environment variable that was set for this node alone; its value is part of the node's cache key.
`--runtime`     warm: a forked child of this host's preloaded server, which is started where there is none;
                cold: a fresh process. Default: the setting MNIST_LITE_RUNTIME, else warm.
`--grace`       warm: from SIGTERM to the SIGKILL of whatever is left of the node, 5 if not given. A cold node is in the
                process group of its caller, whose part that is.
`--log-levels`  a line of the log that is a warning or an error begins with its level: `nightlite.runner.log_levels`.

stdout and stderr are the node's log, as it is written; where the node fails, its own error is the last line.
SIGTERM ends the node and everything that it started, and records the execution as cancelled.

exit codes: 0 ran, or answered from cache; 1 the node failed; 2 it cannot be run as asked; 3 it
failed for what another try would find again (the data is refused); 99 skipped (a condition is
false, a Pusher's model is not blessed); otherwise ended by that signal (128 + its number).
"""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from nightlite import native_log
from nightlite.errors import CompiledPipelineError, NodeRequestError, SettingsError
from nightlite.paths import runtime_dir
from nightlite.runner.exit_codes import EXIT_USAGE
from nightlite.runner.in_tfx.request import NodeRequest
from nightlite.runner.in_tfx.warm import client
from nightlite.settings_file import read_settings_file

_EXAMPLE = """example:
  python -m nightlite.runner.in_tfx.run_node --pipeline var/compiled/mnist_tflite.json \\
      --node Trainer.mnist --run-id by-hand --param epochs=3 --runtime cold
"""


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m nightlite.runner.in_tfx.run_node",
        description="Run one node of one run of a compiled TFX pipeline.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--pipeline", required=True, type=Path, metavar="FILE", help="the compiled pipeline")
    parser.add_argument("--node", required=True, metavar="ID", help="node id, e.g. Trainer.mnist_lite")
    parser.add_argument("--run-id", required=True, metavar="ID", help="names the run in MLMD")
    parser.add_argument("--result", type=Path, metavar="FILE", help="receives the outcome as JSON")
    parser.add_argument("--parameters", type=Path, metavar="FILE", help="run parameters as a JSON object")
    parser.add_argument("--param", action="append", default=[], metavar="NAME=VALUE", help="one run parameter")
    parser.add_argument("--own-env", action="append", default=[], metavar="NAME", help="a variable of this node alone")
    parser.add_argument("--runtime", choices=("warm", "cold"), help="default: MNIST_LITE_RUNTIME, else warm")
    parser.add_argument("--grace", type=float, metavar="SECONDS", help="warm: between SIGTERM and SIGKILL (5)")
    parser.add_argument("--log-levels", action="store_true", help="mark warnings and errors in the log")
    return parser


def request_from(arguments: list[str]) -> NodeRequest:
    """The request that these arguments and this process's settings make.

    Raises:
      NodeRequestError, SettingsError: they do not make one.
    """
    # These three: half a second that a warm client need not spend.
    from nightlite.runner.compiled_pipeline import CompiledPipeline
    from nightlite.runner.parameter_text import assignments
    from nightlite.runner.settings import settings

    options = parser().parse_args(arguments)
    values = _read_parameters(options.parameters) if options.parameters else {}
    if options.param:
        values.update(assignments(options.param, CompiledPipeline.read(options.pipeline).parameters))
    return NodeRequest(
        pipeline=options.pipeline,
        node_id=options.node,
        run_id=options.run_id,
        metadata_url=settings().mlmd_url,
        parameters=values,
        result=options.result,
        own_environment=tuple(options.own_env),
        log_levels=options.log_levels,
    )


def _read_parameters(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise NodeRequestError(f"--parameters: expected a JSON object in {path}. Received: {error}") from None
    if not isinstance(values, dict):
        raise NodeRequestError(f"--parameters: expected a JSON object in {path}. Received: {type(values).__name__}")
    return values


def _refuse_missing(options: argparse.Namespace) -> int:
    # These two: half a second that a warm client need not spend.
    from nightlite.runner.compiled_pipeline import CompiledPipeline
    from nightlite.runner.node_result import NodeResult

    try:
        CompiledPipeline.read(options.pipeline)
    except CompiledPipelineError as error:
        print(f"{options.node} failed: {error}", flush=True)
        if options.result:
            result = NodeResult(node_id=options.node, run_id=options.run_id, state="failed", reason=str(error))
            result.write(options.result)
    return EXIT_USAGE


def main(arguments: list[str]) -> int:
    options = parser().parse_args(arguments)
    try:
        read_settings_file()
    except SettingsError as error:
        print(f"{options.node} failed: {error}", flush=True)
        return EXIT_USAGE
    if not options.pipeline.is_file():  # no server is started to say so
        return _refuse_missing(options)
    runtime = options.runtime or os.environ.get("MNIST_LITE_RUNTIME") or "warm"
    if runtime == "warm":
        code = client.run(arguments, options.pipeline, runtime_dir(), options.grace)
        if code is not None:
            return code
    with native_log.muted():
        from nightlite.runner.in_tfx.warm import forking  # imports TFX: 16 s
    return forking.run_here(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
