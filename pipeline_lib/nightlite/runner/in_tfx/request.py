"""What run_node is asked for. Imports nothing heavy: the client that asks a warm server must start in an instant."""

import dataclasses
from pathlib import Path
from typing import Any


@dataclasses.dataclass(frozen=True)
class NodeRequest:
    """One node of one run.

    `parameters` holds run parameters by name; `result` is where a NodeResult goes, `None` for nowhere; `log_levels`
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
