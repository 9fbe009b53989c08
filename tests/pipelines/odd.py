"""A pipeline of everything that the MNIST one lacks: an Importer, a Resolver, a Cond, a node that may fail.

python -m tests.pipelines.odd OUTPUT PIPELINE_ROOT IMPORTED_FOLDER    (TFX environment)
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TypedDict

from tfx import v1 as tfx
from tfx.dsl.component.experimental.annotations import Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.dsl.input_resolution.strategies.latest_artifact_strategy import LatestArtifactStrategy
from tfx.types import Channel, standard_artifacts

from nightlite.runner.compiled_pipeline import Parameter as RunParameter
from nightlite.runner.in_tfx.run_parameters import runtime_parameter

NAME = "odd"
_STUBBORN = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(os.getpid(), flush=True)
time.sleep(600)
"""
PARAMETERS = (
    RunParameter(name="number", type="int", default=7, json_schema={"type": "integer", "minimum": 0, "maximum": 99}),
    RunParameter(name="ratio", type="float", default=0.5, json_schema={"type": "number"}),
    RunParameter(name="word", type="str", default="plain", json_schema={"type": "string", "maxLength": 200}),
    RunParameter(name="mood", type="str", default="fine", json_schema={"type": "string"}),
)


@component
def Echo(number: Parameter[int], ratio: Parameter[float], word: Parameter[str]) -> TypedDict(
    "EchoOutputs", {"text": str, "flag": str}
):
    print(f"echo {number!r} {ratio!r} {word!r}", flush=True)
    return {"text": f"{number!r} {ratio!r} {word!r}", "flag": "yes" if number > 50 else "no"}


@component
def Guarded(text: str) -> TypedDict("GuardedOutputs", {"seen": str}):
    return {"seen": text}


@component
def Moody(mood: Parameter[str], text: str) -> TypedDict("MoodyOutputs", {"done": str}):
    """Does what its mood says: fine, fail, nap, sleep, hog (a grandchild that ignores SIGTERM, too), deaf (so is it
    itself), litter, die (after a word that is not flushed)."""
    if mood == "fail":
        raise ValueError("the mood was\\bad")
    if mood == "litter":
        Path(os.environ["TMPDIR"], "litter").write_text("x" * 1000)
    if mood == "die":
        print("its last word")
        os.kill(os.getpid(), signal.SIGKILL)
    if mood == "nap":
        print(f"asleep as {os.getpid()}", flush=True)
        time.sleep(3)
    if mood == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if mood in ("sleep", "hog", "deaf"):
        print(f"asleep as {os.getpid()}", flush=True)
        if mood == "hog":
            stubborn = subprocess.Popen([sys.executable, "-S", "-c", _STUBBORN], stdout=subprocess.PIPE, text=True)
            assert stubborn.stdout
            print(f"grandchild {stubborn.stdout.readline()}", flush=True)
        time.sleep(600)
    return {"done": text}


@component
def After(done: str) -> TypedDict("AfterOutputs", {"end": str}):
    return {"end": done}


def create_pipeline(pipeline_root: str, imported: str) -> tfx.dsl.Pipeline:
    values = {parameter.name: runtime_parameter(parameter) for parameter in PARAMETERS}
    importer = tfx.dsl.Importer(source_uri=imported, artifact_type=standard_artifacts.Model, reimport=False).with_id(
        "Importer"
    )
    echo = Echo(number=values["number"], ratio=values["ratio"], word=values["word"])
    with tfx.dsl.Cond(echo.outputs["flag"].future().value == "yes"):
        guarded = Guarded(text=echo.outputs["text"])
    moody = Moody(mood=values["mood"], text=echo.outputs["text"])
    after = After(done=moody.outputs["done"])
    resolver = tfx.dsl.Resolver(
        strategy_class=LatestArtifactStrategy,
        model=Channel(type=standard_artifacts.Model, producer_component_id="Importer"),
    ).with_id("Resolver")
    resolver.add_upstream_node(importer)
    return tfx.dsl.Pipeline(
        pipeline_name=NAME,
        pipeline_root=pipeline_root,
        components=[importer, echo, guarded, moody, after, resolver],
        enable_cache=True,
    )


if __name__ == "__main__":
    from nightlite.runner.in_tfx.compile import compile_pipeline  # no node needs it: a second of imports
    from tests.pipelines.odd import create_pipeline  # run_node cannot import an executor from __main__

    compile_pipeline(create_pipeline(sys.argv[2], sys.argv[3]), PARAMETERS).write(Path(sys.argv[1]))
