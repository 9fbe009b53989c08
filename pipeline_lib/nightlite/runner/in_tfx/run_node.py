"""Run one node of one run of a compiled pipeline. This docstring is the contract with its callers.

    python -m nightlite.runner.in_tfx.run_node --pipeline FILE --node ID --run-id ID [--result FILE]
                                        [--parameters FILE] [--param NAME=VALUE ...] [--own-env NAME ...]
                                        [--runtime warm|cold] [--grace SECONDS] [--log-levels]

`--pipeline`    the compiled pipeline that `nightlite.runner.in_tfx.compile` wrote.
`--parameters`  a JSON object of run parameters, by name; `--param` overrides one. Missing ones have their defaults.
`--result`      receives a `nightlite.runner.node_result.NodeResult`, whole or not at all, even if the node failed.
`--own-env`     an environment variable that was set for this node alone; its value is part of the node's cache key.
`--runtime`     warm: a forked child of this host's preloaded server, which is started if there is none;
                cold: a fresh process. Default: the setting NIGHTLITE_RUNTIME, else warm.
`--grace`       warm: seconds from SIGTERM to the SIGKILL of the node's leftovers, default 5. A cold node is in the
                process group of its caller, which kills it.
`--log-levels`  each warning or error in the log begins with its level, as in `nightlite.runner.log_levels`.

stdout and stderr are the node's log, as it is written. If the node fails, its own error is the last line.
SIGTERM ends the node and everything that it started, and records the execution as cancelled.

exit codes: 0 ran, or answered from cache; 1 the node failed; 2 it cannot be run as asked; 3 it
failed, and another try would fail the same way (the data is refused); 99 skipped (a condition is
false, a Pusher's model is not blessed); otherwise ended by that signal (128 + its number).
"""

import argparse
import os
import sys

from nightlite import native_log
from nightlite.errors import CompiledPipelineError, SettingsError
from nightlite.paths import runtime_dir
from nightlite.runner.exit_codes import EXIT_USAGE
from nightlite.runner.in_tfx.request import COMMAND, parser
from nightlite.runner.in_tfx.warm import client
from nightlite.settings_file import read_settings_file


def _refuse_missing(options: argparse.Namespace) -> int:
    # A warm client saves half a second without these two.
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


def main(arguments: list[str], command: str = COMMAND) -> int:
    options = parser(command).parse_args(arguments)
    try:
        read_settings_file()
    except SettingsError as error:
        print(f"{options.node} failed: {error}", flush=True)
        return EXIT_USAGE
    if not options.pipeline.is_file():  # no server is started to report that
        return _refuse_missing(options)
    runtime = options.runtime or os.environ.get("NIGHTLITE_RUNTIME") or "warm"
    if runtime == "warm":
        code = client.run(arguments, options.pipeline, runtime_dir(), options.grace)
        if code is not None:
            return code
    with native_log.muted():
        from nightlite.runner.in_tfx.warm import forking  # imports TFX: 16 s
    return forking.run_here(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
