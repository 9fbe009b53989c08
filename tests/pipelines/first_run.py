"""A first run: one Resolver finds no model, another no blessing. What needs neither has to go on."""

from pathlib import Path
from typing import TypedDict

from tfx import v1 as tfx
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact
from tfx.dsl.component.experimental.decorators import component
from tfx.dsl.input_resolution.strategies.latest_artifact_strategy import LatestArtifactStrategy
from tfx.types import Channel, standard_artifacts


@component
def Train(
    model: OutputArtifact[standard_artifacts.Model],
    earlier: InputArtifact[standard_artifacts.Model] = None,
) -> TypedDict("Trained", {"warm": str}):
    Path(model.uri, "model").touch()
    return {"warm": "yes" if earlier else "no"}


@component
def Compare(earlier: InputArtifact[standard_artifacts.Model]) -> TypedDict("Compared", {"seen": str}):
    return {"seen": earlier.uri}


class FailingStrategy(tfx.dsl.experimental.ResolverStrategy):
    def resolve_artifacts(self, store, input_dict):
        raise RuntimeError("the strategy is broken")


def create_pipeline(pipeline_root: str) -> tfx.dsl.Pipeline:
    earlier, blessing, broken = (
        tfx.dsl.Resolver(strategy_class=strategy, found=Channel(type=kind, producer_component_id="Nobody")).with_id(
            name
        )
        for name, kind, strategy in (
            ("Earlier", standard_artifacts.Model, LatestArtifactStrategy),
            ("Blessed", standard_artifacts.ModelBlessing, LatestArtifactStrategy),
            ("Broken", standard_artifacts.Model, FailingStrategy),
        )
    )
    train = Train(earlier=earlier.outputs["found"])
    compare = Compare(earlier=earlier.outputs["found"])
    pusher = tfx.components.Pusher(
        model=train.outputs["model"],
        model_blessing=blessing.outputs["found"],
        push_destination=tfx.proto.PushDestination(
            filesystem=tfx.proto.PushDestination.Filesystem(base_directory=f"{pipeline_root}/pushed")
        ),
    )
    return tfx.dsl.Pipeline(
        "first", pipeline_root, components=[earlier, blessing, broken, train, compare, pusher], enable_cache=True
    )
