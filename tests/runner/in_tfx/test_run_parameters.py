"""TFX's own form of a run parameter inside JSON."""

from tfx import v1 as tfx
from tfx.dsl.compiler import compiler


def test_tfx_still_compiles_a_parameter_inside_json_to_a_text() -> None:
    examples = tfx.components.ImportExampleGen(input_base="data")
    epochs = tfx.dsl.experimental.RuntimeParameter(name="epochs", ptype=int, default=3)
    channel = examples.outputs["examples"]
    trainer = tfx.components.Trainer(run_fn="x.y", examples=channel, custom_config={"epochs": epochs})
    pipeline = tfx.dsl.Pipeline(pipeline_name="p", pipeline_root="root", components=[examples, trainer])
    node = compiler.Compiler().compile(pipeline).nodes[-1].pipeline_node
    assert '"RuntimeParameter"' in node.parameters.parameters["custom_config"].field_value.string_value
