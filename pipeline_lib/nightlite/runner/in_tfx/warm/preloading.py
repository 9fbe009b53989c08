"""What the warm server imports: all that the pipeline's executors need, and nothing of the user's."""

import importlib
import json
from pathlib import Path

from nightlite.errors import CompiledPipelineError
from nightlite.runner.compiled_pipeline import CompiledPipeline
from nightlite.runner.in_tfx import fingerprints
from nightlite.runner.in_tfx.warm import forking, identity

# Imported by executors at their first use; found by comparing sys.modules before and after a run of all the nodes.
_LAZY_MODULES = (
    "ai_edge_litert.interpreter",
    "ai_edge_litert.schema_py_generated",
    "apache_beam.runners.direct.direct_runner",
    "apache_beam.runners.job.utils",
    "apache_beam.runners.portability.fn_api_runner.fn_runner",
    "apache_beam.runners.portability.portable_runner",
    "apache_beam.runners.worker.sdk_worker",
    "apache_beam.runners.worker.worker_pool_main",
    "apache_beam.testing.test_stream",
    "apache_beam.typehints.intrinsic_one_ops",
    "apache_beam.typehints.opcodes",
    "distutils.core",
    "google_crc32c",
    "grpc._server",
    "grpc._utilities",
    "keras",
    "nightlite.ondevice.settings",
    "pyarrow.pandas_compat",
    "tensorflow_transform.beam.impl",
    "tfx.components.trainer.rewriting.tflite_rewriter",
    "tfx_bsl.public.tfxio",
)
# What a user's own component begins with: 7 s that each of its nodes would otherwise take to import.
_FOR_USERS_CODE = ("tfx.v1",)


def preload(pipeline: Path) -> str | None:
    """Import what the pipeline's executors need.

    Returns:
      The first module whose import ran a TensorFlow op, None where none did.
    """
    executors = _read_pipeline(pipeline)
    installed = [module for module in executors if identity.covers(module)]
    modules = [*installed, *_LAZY_MODULES]
    if installed != executors:
        modules += _FOR_USERS_CODE
    for module in modules:
        try:
            importlib.import_module(module)
        except (ImportError, TypeError, ValueError) as error:  # the latter two: it cannot be a module's name
            print(f"not preloaded: {module} ({error})", flush=True)
        if forking.eager_context_touched():
            return module
    return None


def _read_pipeline(pipeline: Path) -> list[str]:
    """Return the modules of the executors and drivers of a compiled pipeline, and read its nodes' code ahead.

    Nothing is imported. Reading ahead saves each node's fingerprint tens of milliseconds.
    """
    try:
        ir = CompiledPipeline.read(pipeline).ir
        fingerprints.read_ahead(json.dumps(ir))
    except (CompiledPipelineError, OSError) as error:  # the first node will say what is wrong
        print(f"nothing of the pipeline is preloaded: {error}", flush=True)
        return []
    deployment = ir["deploymentConfig"]
    specs = [*deployment.get("executorSpecs", {}).values(), *deployment.get("customDriverSpecs", {}).values()]
    paths = {spec.get("pythonExecutorSpec", spec).get("classPath", "") for spec in specs}
    return sorted({path.rpartition(".")[0] for path in paths if path})
