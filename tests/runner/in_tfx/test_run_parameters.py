"""Run parameters on TFX's side: its own form of one inside JSON, and the refusal of an unknown one."""

import pytest
from tfx import v1 as tfx
from tfx.dsl.compiler import compiler
from tfx.proto.orchestration import pipeline_pb2

from nightlite.errors import NodeRequestError
from nightlite.runner.compiled_pipeline import Parameter
from nightlite.runner.in_tfx import run_parameters


def test_tfx_still_compiles_a_parameter_inside_json_to_a_text() -> None:
    examples = tfx.components.ImportExampleGen(input_base="data")
    epochs = tfx.dsl.experimental.RuntimeParameter(name="epochs", ptype=int, default=3)
    channel = examples.outputs["examples"]
    trainer = tfx.components.Trainer(run_fn="x.y", examples=channel, custom_config={"epochs": epochs})
    pipeline = tfx.dsl.Pipeline(pipeline_name="p", pipeline_root="root", components=[examples, trainer])
    node = compiler.Compiler().compile(pipeline).nodes[-1].pipeline_node
    assert '"RuntimeParameter"' in node.parameters.parameters["custom_config"].field_value.string_value


def test_an_unknown_name_is_refused_with_the_known_ones_in_the_pipelines_order() -> None:
    offered = [Parameter(name=name, type="int", default=1) for name in ("rate", "epochs")]
    airflows = Parameter(name="as_of", type="str", default="", given_by="airflow")
    with pytest.raises(NodeRequestError, match="among rate, epochs$"):
        run_parameters.bind(pipeline_pb2.Pipeline(), "run", (airflows, *offered), {"nope": 1})
