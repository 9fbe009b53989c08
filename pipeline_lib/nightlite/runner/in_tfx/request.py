"""The request of one node's run, and the arguments that make one.

Importing this is cheap, because the client of a warm server must start in an instant.
"""

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

from nightlite.errors import NodeRequestError

COMMAND = "python -m nightlite.runner.in_tfx.run_node"
_EXAMPLES = """examples:
  {command} --pipeline shop.json --node Trainer --run-id by-hand --param epochs=3
  {command} --pipeline shop.json --node Trainer --run-id by-hand --runtime cold --result trainer.json

exit code: 0 ran, or answered from cache; 1 it failed; 2 usage; 3 it failed for good; 99 skipped
"""


@dataclasses.dataclass(frozen=True)
class NodeRequest:
    """One node of one run.

    `parameters` holds run parameters by name. `result` is where a NodeResult goes, `None` for nowhere. `log_levels`
    asks for `nightlite.runner.log_levels`' prefixes in the log.
    `own_environment` names the environment variables that were set for this node alone: its cache key has them.
    """

    pipeline: Path
    node_id: str
    run_id: str
    metadata_url: str
    parameters: dict[str, Any] = dataclasses.field(default_factory=dict)
    result: Path | None = None
    own_environment: tuple[str, ...] = ()
    log_levels: bool = False


def parser(command: str = COMMAND) -> argparse.ArgumentParser:
    """Return the parser of run_node's arguments."""
    parser = argparse.ArgumentParser(
        prog=command,
        description="Run one node of one run of a compiled TFX pipeline, after the nodes before it.",
        epilog=_EXAMPLES.format(command=command),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--pipeline", required=True, type=Path, metavar="FILE", help="the compiled pipeline")
    parser.add_argument("--node", required=True, metavar="ID", help="node id, e.g. Trainer")
    parser.add_argument("--run-id", required=True, metavar="ID", help="names the run in MLMD")
    parser.add_argument("--result", type=Path, metavar="FILE", help="receives the outcome as JSON")
    parser.add_argument("--parameters", type=Path, metavar="FILE", help="run parameters as a JSON object")
    parser.add_argument("--param", action="append", default=[], metavar="NAME=VALUE", help="one run parameter")
    parser.add_argument("--own-env", action="append", default=[], metavar="NAME", help="a variable of this node alone")
    parser.add_argument("--runtime", choices=("warm", "cold"), help="default: NIGHTLITE_RUNTIME, else warm")
    parser.add_argument("--grace", type=float, metavar="SECONDS", help="warm: between SIGTERM and SIGKILL (5)")
    parser.add_argument("--log-levels", action="store_true", help="mark warnings and errors in the log")
    return parser


def request_from(arguments: list[str]) -> NodeRequest:
    """Return the request of these arguments and this process's settings.

    Raises:
      NodeRequestError, SettingsError: they do not make one.
    """
    # A warm client saves half a second without these three.
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
