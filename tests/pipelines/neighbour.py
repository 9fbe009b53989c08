"""A pipeline with the node ids of `tiny_nights`, whose baseline is TFX's own: the model that was blessed last."""

from tfx import v1 as tfx
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.dsl.input_resolution.strategies.latest_blessed_model_strategy import LatestBlessedModelStrategy
from tfx.types import Channel, standard_artifacts

from nightlite.runner.in_tfx.run_parameters import runtime_parameter
from tests.pipelines.tiny_nights import PARAMETERS, Data, Train

NAME = "neighbour"


@component
def Bless(
    model: InputArtifact[standard_artifacts.Model],
    blessing: OutputArtifact[standard_artifacts.ModelBlessing],
    night: Parameter[int],
):
    """Bless only the first night's model."""
    blessing.set_int_custom_property("blessed", int(night == 0))
    blessing.set_int_custom_property("current_model_id", model.id)


def create_pipeline(pipeline_root: str) -> tfx.dsl.Pipeline:
    values = {item.name: runtime_parameter(item) for item in PARAMETERS if item.read_by == "nodes"}
    baseline = tfx.dsl.Resolver(
        strategy_class=LatestBlessedModelStrategy,
        model=Channel(type=standard_artifacts.Model, producer_component_id="Train"),
        model_blessing=Channel(type=standard_artifacts.ModelBlessing, producer_component_id="Bless"),
    ).with_id("Baseline")
    data = Data(week=values["week"])
    train = Train(examples=data.outputs["examples"], night=values["night"], name=NAME)
    bless = Bless(model=train.outputs["model"], night=values["night"])
    return tfx.dsl.Pipeline(
        pipeline_name=NAME, pipeline_root=pipeline_root, components=[baseline, data, train, bless], enable_cache=True
    )
