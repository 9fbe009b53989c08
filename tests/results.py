"""Results of nodes, with the product's facts where they belong."""

from typing import Any

from nightlite.ondevice.results.node_facts import NodeFacts
from nightlite.runner.node_result import NodeResult


def node_result(node_id: str, state: str = "succeeded", **fields: Any) -> NodeResult:
    """Return a result of run `r`; fields of NodeFacts become its facts."""
    facts = {name: value for name, value in fields.items() if name in NodeFacts.model_fields}
    own = {name: value for name, value in fields.items() if name not in facts}
    said = NodeFacts.model_validate(facts).model_dump(mode="json", exclude_defaults=True)
    return NodeResult.model_validate({"node_id": node_id, "run_id": "r", "state": state, "facts": said, **own})


def with_facts(result: NodeResult, **facts: Any) -> NodeResult:
    """Return the result with these facts besides its own."""
    return result.model_copy(update={"facts": {**result.facts, **facts}})
