"""What the Airflow UI says about a node, by its component's class name."""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from graphlib import CycleError, TopologicalSorter
from typing import NamedTuple

from nightlite.runner.compiled_pipeline import Node

# The task groups, and what each is for.
GROUPS = {
    "data": "Reads the data, and fails where it is not what it should be",
    "train": "Makes the models",
    "evaluate": "Measures the models and judges them",
    "release": "Ships what may ship",
}


class _Component(NamedTuple):
    title: str
    group: str
    docs: str


# The first pattern that matches a component's class name.
_COMPONENTS = {
    "*ExampleGen": _Component("Import examples", "data", "Reads the examples, split by split."),
    "StatisticsGen": _Component("Statistics", "data", "Computes statistics of every feature, per split."),
    "SchemaGen": _Component("Schema", "data", "Infers a schema from the training split's statistics."),
    "ImportSchemaGen": _Component("Schema", "data", "Brings in the schema that people have reviewed."),
    "ExampleValidator": _Component("Validate examples", "data", "Compares the statistics with the schema."),
    "DataGate": _Component("Data gate", "data", "Fails on anomalies and on labels that have drifted."),
    "Transform": _Component("Transform", "train", "Runs `preprocessing_fn`, and keeps it for serving."),
    "Tuner": _Component("Tune", "train", "Searches hyperparameters."),
    "Trainer": _Component("Train", "train", "Calls `run_fn`, which writes a model."),
    "Evaluator": _Component("Evaluate", "evaluate", "Blesses the model if its metrics meet the thresholds."),
    "InfraValidator": _Component("Validate where it serves", "evaluate", "Loads the model where it will be served."),
    "EdgeValidator": _Component("Validate on the edge", "evaluate", "Judges every gate of the run."),
    "ModelReport": _Component("Model report", "evaluate", "Writes the page on the tab *Model report* of the run."),
    # In no group: its mark is seen in a folded grid.
    "OutcomeReport": _Component(
        "Outcome", "", "Ends **skipped** where a new model was kept back. The report says why."
    ),
    "BulkInferrer": _Component("Infer", "release", "Runs the model over a batch of examples."),
    "Pusher": _Component("Push", "release", "Ships a blessed model. Ends **skipped** where nothing was shipped."),
    # These two belong where they are used.
    "Resolver": _Component("Find", "", "Finds artifacts of earlier runs."),
    "Importer": _Component("Register", "", "Registers an artifact that exists already."),
}
_COLORS = {"data": "#bbdefb", "train": "#ffe0b2", "evaluate": "#e1bee7", "release": "#c8e6c9"}
_OTHER_COLOR = "#eceff1"


def component(node: Node) -> str:
    """The component's class (or function) name."""
    return node.type.rpartition(".")[2]


def _known(node: Node) -> _Component | None:
    return next((known for pattern, known in _COMPONENTS.items() if fnmatchcase(component(node), pattern)), None)


def doc_md(node: Node) -> str:
    known = _known(node)
    return f"**{component(node)}** `{node.id}` (`{node.type}`)\n\n{known.docs if known else ''}".rstrip()


def display_name(node: Node) -> str:
    """What the component does, then what it does it to: `Trainer.mnist_lite` is "Train mnist_lite"."""
    known = _known(node)
    return f"{known.title} {node.id.partition('.')[2].replace('_', ' ')}".rstrip() if known else node.id


def color(node: Node) -> str:
    known = _known(node)
    return _COLORS.get(known.group if known else "data", _OTHER_COLOR)


def groups(nodes: Sequence[Node]) -> dict[str, str]:
    """Each node's group by node id; nodes of unknown components have none.

    No node has one in a pipeline whose groups would come before each other: Airflow cannot draw that.
    """
    found = {node.id: known.group for node in nodes if (known := _known(node)) and known.group}
    for node in reversed(nodes):
        users = {found.get(other.id, "") for other in nodes if node.id in other.upstream}
        if node.system and len(users) == 1 and (group := users.pop()):
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
