"""Hooks by which a product joins the runner, named in the compiled pipeline as `module:function`.

`outcome`    called after each node with its outputs, pairs of a type's name and an artifact; returns NodeOutcome.
`after_run`  called after a run's last node with AfterRun; returns a line for the log, "" for none.

Both run in the TFX environment, in the node's own process. The runner itself knows only TFX's own verdicts.
"""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nightlite.errors import CompiledPipelineError


@dataclass(frozen=True)
class NodeOutcome:
    """The product's part of a node's result.

    Attributes:
      facts: for `NodeResult.facts`; JSON values only.
      skipped: the node ends as skipped, though it ran.
      reason: of a skipped node, the sentence for people.
      not_blessed_because: the node's findings, in words.
    """

    facts: Mapping[str, Any] = field(default_factory=dict)
    skipped: bool = False
    reason: str | None = None
    not_blessed_because: str = ""


@dataclass(frozen=True)
class AfterRun:
    """A run that reached its last node. `store` is TFX's metadata handle."""

    store: Any
    pipeline_name: str
    pipeline_root: Path


def load(name: str) -> Callable[..., Any]:
    """Return the function or class that `module:name` names.

    Raises:
      CompiledPipelineError: there is no such thing.
    """
    module, _, function = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise CompiledPipelineError(f"expected module:name that can be imported. Received: {name} ({error})") from None
    return found  # type: ignore[no-any-return]
