"""A pipeline of plain TFX: examples of CSV files, their statistics and schema, and a component of the team's own."""

from typing import TypedDict

from tfx import v1 as tfx


@tfx.dsl.components.component
def CountColumns(
    schema: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.Schema],
) -> TypedDict("Counted", {"columns": int}):
    text = tfx.dsl.io.fileio.open(f"{schema.uri}/schema.pbtxt").read()
    print(f"the orders have {text.count('feature {')} columns")
    return {"columns": text.count("feature {")}


def create_pipeline(data: str, root: str) -> tfx.dsl.Pipeline:
    """Return the pipeline over a folder of CSV files."""
    examples = tfx.components.CsvExampleGen(input_base=data)
    statistics = tfx.components.StatisticsGen(examples=examples.outputs["examples"])
    schema = tfx.components.SchemaGen(statistics=statistics.outputs["statistics"])
    count = CountColumns(schema=schema.outputs["schema"])
    return tfx.dsl.Pipeline("orders", root, components=[examples, statistics, schema, count], enable_cache=True)
