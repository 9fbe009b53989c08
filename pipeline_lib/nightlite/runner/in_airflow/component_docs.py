"""Texts on nodes in the Airflow UI, by their components' class names."""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from graphlib import CycleError, TopologicalSorter
from typing import NamedTuple

from nightlite.runner.compiled_pipeline import Node

# The task groups and their purposes.
GROUPS = {
    "data": "Reads the data, and fails where it is not what it should be",
    "train": "Makes the models",
    "evaluate": "Measures the models and judges them",
    "push": "Ships what may ship",
}


class ComponentDoc(NamedTuple):
    """Display of a component in the UI: title ("": the node's id), task group ("": none) and description."""

    title: str
    group: str
    docs: str


# The first pattern that matches a component's class name, or a node's id.
COMPONENTS: Mapping[str, ComponentDoc] = {
    "*ExampleGen": ComponentDoc("Import examples", "data", "Reads the examples, split by split."),
    "StatisticsGen": ComponentDoc("Statistics", "data", "Computes statistics of every feature, per split."),
    "SchemaGen": ComponentDoc("Schema", "data", "Infers a schema from the training split's statistics."),
    "ImportSchemaGen": ComponentDoc("Schema", "data", "Brings in the schema that people have reviewed."),
    "ExampleValidator": ComponentDoc("Validate examples", "data", "Compares the statistics with the schema."),
    "Transform": ComponentDoc("Transform", "train", "Runs `preprocessing_fn`, and keeps it for serving."),
    "Tuner": ComponentDoc("Tune", "train", "Searches hyperparameters."),
    "Trainer": ComponentDoc("Train", "train", "Calls `run_fn`, which writes a model."),
    "Evaluator": ComponentDoc("Evaluate", "evaluate", "Blesses the model if its metrics meet the thresholds."),
    "InfraValidator": ComponentDoc("Validate where it serves", "evaluate", "Loads the model where it will be served."),
    "BulkInferrer": ComponentDoc("Infer", "push", "Runs the model over a batch of examples."),
    "Pusher": ComponentDoc("Push", "push", "Ships a blessed model. Ends **skipped** where nothing was shipped."),
    # These two join the group of their users.
    "Resolver": ComponentDoc("Find", "", "Finds artifacts of earlier runs."),
    "Importer": ComponentDoc("Register", "", "Registers an artifact that exists already."),
}
_COLORS = {"data": "#bbdefb", "train": "#ffe0b2", "evaluate": "#e1bee7", "push": "#c8e6c9"}
_OTHER_COLOR = "#eceff1"


def component(node: Node) -> str:
    """Return the name of the component's class (or function)."""
    return node.type.rpartition(".")[2]


def known(node: Node, components: Mapping[str, ComponentDoc] = COMPONENTS) -> ComponentDoc | None:
    """Return the texts of the first pattern that matches the node's component or its id, or None."""
    names = (component(node), node.id)
    return next((doc for pattern, doc in components.items() if any(fnmatchcase(name, pattern) for name in names)), None)


def doc_md(node: Node, doc: ComponentDoc | None) -> str:
    """Return the task's documentation."""
    return f"**{component(node)}** `{node.id}` (`{node.type}`)\n\n{doc.docs if doc else ''}".rstrip()


def display_name(node: Node, doc: ComponentDoc | None) -> str:
    """Return the component's action and object: `Trainer.lite` is "Train lite". A Resolver's own id is its object."""
    if not doc or not doc.title:
        return node.id
    if node.system and "." not in node.id and node.id != component(node):
        return f"{doc.title} {node.id}"
    return f"{doc.title} {node.id.partition('.')[2].replace('_', ' ')}".rstrip()


def color(doc: ComponentDoc | None) -> str:
    """Return the task's colour, which is its group's."""
    return _COLORS.get(doc.group if doc else "data", _OTHER_COLOR)


def groups(nodes: Sequence[Node], components: Mapping[str, ComponentDoc] = COMPONENTS) -> dict[str, str]:
    """Return each node's group by node id. Nodes of unknown components have none.

    If groups would come before each other, no node has one, because Airflow cannot draw that.
    """
    found = {node.id: doc.group for node in nodes if (doc := known(node, components)) and doc.group}
    for node in [node for node in reversed(nodes) if node.system]:
        users = {found.get(other.id, "") for other in nodes if node.id in other.upstream}
        if len(users) == 1 and (group := users.pop()):
            found[node.id] = group
    taken = {node.id for node in nodes}
    if taken & set(GROUPS):
        return {}
    order: TopologicalSorter[str] = TopologicalSorter()
    for node in nodes:
        mine = found.get(node.id, node.id)
        order.add(mine, *({found.get(upstream, upstream) for upstream in node.upstream} - {mine}))
    try:
        order.prepare()
    except CycleError:
        return {}
    return found
