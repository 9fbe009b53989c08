"""A night in milliseconds: data, a model of it that is never the same, a verdict, a release or a refusal.

python -m tests.pipelines.tiny_nights OUTPUT PIPELINE_ROOT PUSH_FOLDER [NAME]    (TFX environment)
"""

import os
import sys
from pathlib import Path
from typing import TypedDict

from tfx import v1 as tfx
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types import Channel, standard_artifacts

from nightlite.ondevice.contract.app_contract import AppContract, Input
from nightlite.ondevice.contract.file_contract import TensorContract
from nightlite.ondevice.hooks import HOOKS
from nightlite.ondevice.in_tfx.pusher.baseline import ReleasedModelStrategy
from nightlite.ondevice.releases.manifest import Description
from nightlite.ondevice.releases.store import Releases
from nightlite.ondevice.run_parameters import FORCE
from nightlite.ondevice.settings import settings
from nightlite.runner.compiled_pipeline import Parameter as RunParameter
from nightlite.runner.in_tfx.run_parameters import runtime_parameter

NAME = "nights"
PARAMETERS = (
    RunParameter(name="night", type="int", default=0, json_schema={"type": "integer"}),
    RunParameter(name="week", type="int", default=0, json_schema={"type": "integer"}),
    RunParameter(name=FORCE, type="bool", default=False, read_by="run"),
)
MODEL_BYTES = 20_000
CONTRACT = AppContract(
    inputs=(Input(name="x", dtype="float32", shape=(1, 1)),),
    output=TensorContract(name="y", dtype="float32", shape=(1, 1)),
    labels=("a",),
)


@component
def Data(examples: OutputArtifact[standard_artifacts.Examples], week: Parameter[int]):
    """Return the same data for a week: six nights of seven it is answered from the cache."""
    Path(examples.uri, "data").write_bytes(bytes(MODEL_BYTES))
    examples.set_int_custom_property("span", week)


@component
def Train(
    examples: InputArtifact[standard_artifacts.Examples],
    model: OutputArtifact[standard_artifacts.Model],
    night: Parameter[int],
    name: Parameter[str],
):
    assert Path(examples.uri, "data").stat().st_size == MODEL_BYTES
    Path(model.uri, "tflite").write_bytes(f"{name}' model of night {night}.".encode().ljust(MODEL_BYTES))
    model.set_int_custom_property("span", examples.get_int_custom_property("span"))


@component
def Judge(
    model: InputArtifact[standard_artifacts.Model],
    blessing: OutputArtifact[standard_artifacts.InfraBlessing],
    night: Parameter[int],
) -> TypedDict("Verdict", {"verdict": str}):
    """Return every third night is refused."""
    blessed = night % 3 != 2
    blessing.set_int_custom_property("blessed", int(blessed))
    blessing.set_int_custom_property("current_model_id", model.id)
    return {"verdict": "good" if blessed else "bad"}


@component
def Release(
    model: InputArtifact[standard_artifacts.Model],
    blessing: InputArtifact[standard_artifacts.InfraBlessing],
    verdict: str,
    night: Parameter[int],
    name: Parameter[str],
) -> TypedDict("Released", {"version": int}):
    if verdict == "bad":
        return {"version": 0}
    releases = Releases(settings().folders(name).releases)
    description = Description(
        labels=CONTRACT.labels,
        inputs=CONTRACT.inputs,
        outputs=(CONTRACT.output,),
        code_revision="x",
        span=model.get_int_custom_property("span"),
        run_id=f"night-{night}",
        model_artifact_id=model.id,
        artifact_ids={"infra_blessing": blessing.id},
        execution_id=os.getpid(),
    )
    push = releases.push(Path(model.uri, "tflite"), description, who="Release")
    releases.prune(settings().keep_releases, who="Release", why="keep")
    return {"version": push.release.version}


def create_pipeline(pipeline_root: str, push_dir: str, name: str = NAME) -> tfx.dsl.Pipeline:
    values = {item.name: runtime_parameter(item) for item in PARAMETERS if item.read_by == "nodes"}
    data = Data(week=values["week"])
    train = Train(examples=data.outputs["examples"], night=values["night"], name=name)
    released = tfx.dsl.Resolver(
        strategy_class=ReleasedModelStrategy,
        config={
            "push_dir": push_dir,
            "imported_dir": str(Path(pipeline_root) / "Resolver.released" / "model"),
            "contract": CONTRACT.model_dump_json(),
        },
        model=Channel(type=standard_artifacts.Model, producer_component_id="Train"),
        blessing=Channel(type=standard_artifacts.InfraBlessing, producer_component_id="Judge"),
    ).with_id("Resolver.released")
    judge = Judge(model=train.outputs["model"], night=values["night"])
    judge.add_upstream_node(released)
    release = Release(
        model=train.outputs["model"],
        blessing=judge.outputs["blessing"],
        verdict=judge.outputs["verdict"],
        night=values["night"],
        name=name,
    )
    return tfx.dsl.Pipeline(
        pipeline_name=name,
        pipeline_root=pipeline_root,
        components=[data, train, released, judge, release],
        enable_cache=True,
    )


if __name__ == "__main__":
    from nightlite.runner.in_tfx.compile import compile_pipeline  # no node needs it: a second of imports
    from tests.pipelines.tiny_nights import create_pipeline  # run_node cannot import an executor from __main__

    compile_pipeline(create_pipeline(*sys.argv[2:]), PARAMETERS, HOOKS).write(Path(sys.argv[1]))
