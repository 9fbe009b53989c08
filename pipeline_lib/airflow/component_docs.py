"""What the Airflow UI says about a node, by its component's class name."""

from pipeline_lib.graph import Node

_DOCS = {
    "ImportExampleGen": "Reads the newest span of examples that are TFRecords already, split by split.",
    "SpanExampleGen": "Reads the spans of examples that the run is told to: the newest, a number, a window.",
    "CsvExampleGen": "Reads the newest span of CSV files as examples.",
    "StatisticsGen": "Computes statistics of every feature, per split.",
    "SchemaGen": "Infers a schema from the training split's statistics.",
    "ImportSchemaGen": "Brings in the schema that people have reviewed.",
    "ExampleValidator": "Compares the statistics with the schema and records anomalies.",
    "DataGate": "Fails, naming each anomaly, where the data is not what the schema says or its labels have drifted.",
    "Transform": "Runs `preprocessing_fn` over the examples and keeps it as a graph for serving.",
    "Tuner": "Searches hyperparameters.",
    "Trainer": "Calls `run_fn`, which writes a model.",
    "Evaluator": "Computes the model's metrics, overall and per slice, and blesses it if they meet the thresholds.",
    "InfraValidator": "Loads the model where it will be served.",
    "EdgeValidator": "Runs the TFLite file in the runtime that ships, measures it, and judges every gate of the run.",
    "BulkInferrer": "Runs the model over a batch of examples.",
    "Pusher": "Ships the model if it was blessed. Otherwise, or if it is what was shipped last, it ends **skipped**.",
    "ModelReport": "Writes a page on the run, refused or not: the tab *Model report* of the DAG run shows it.",
    "Resolver": "Finds artifacts of earlier runs.",
    "Importer": "Registers an artifact that exists already.",
}
_COLORS = {
    "Trainer": "#ffe0b2",
    "Tuner": "#ffe0b2",
    "Evaluator": "#e1bee7",
    "InfraValidator": "#e1bee7",
    "ModelReport": "#e1bee7",
    "EdgeValidator": "#e1bee7",
    "DataGate": "#e1bee7",
    "Pusher": "#c8e6c9",
}
# Components whose tasks have a button that opens the run's report.
REPORTED = frozenset({"Evaluator", "EdgeValidator", "ModelReport"})
_DATA_COLOR = "#bbdefb"
_SYSTEM_COLOR = "#eceff1"


def component(node: Node) -> str:
    """The component's class (or function) name."""
    return node.type.rpartition(".")[2]


def doc_md(node: Node) -> str:
    return f"**{component(node)}** (`{node.type}`)\n\n{_DOCS.get(component(node), '')}".rstrip()


def color(node: Node) -> str:
    return _SYSTEM_COLOR if node.system else _COLORS.get(component(node), _DATA_COLOR)
