"""What the warm server imports: all that the pipeline's executors need, and nothing of the user's."""

import importlib
import json
from pathlib import Path

from pipeline_lib.errors import CompiledPipelineError
from pipeline_lib.graph import CompiledPipeline
from pipeline_lib.tfx import forking, user_code, warm_identity

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
    "pipeline_lib.settings",
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
    executors = executor_modules_or_none(pipeline)
    installed = [module for module in executors if warm_identity.covers(module)]
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
    _read_code_ahead(pipeline)
    return None


def _read_code_ahead(pipeline: Path) -> None:
    """Read the files of every node's fingerprint, which saves each node tens of milliseconds. Nothing is imported."""
    try:
        user_code.read_ahead(json.dumps(CompiledPipeline.read(pipeline).ir))
    except (CompiledPipelineError, OSError) as error:  # the nodes read for themselves, and say what is wrong
        print(f"no code read ahead: {error}", flush=True)


def executor_modules_or_none(pipeline: Path) -> list[str]:
    """The same as `executor_modules`; none of a file that is damaged, which the first node will say."""
    try:
        return executor_modules(pipeline)
    except (CompiledPipelineError, LookupError, AttributeError, TypeError) as error:
        print(f"no executors preloaded: {error}", flush=True)
        return []


def executor_modules(pipeline: Path) -> list[str]:
    """The modules of the executors, drivers and system nodes that a compiled pipeline names."""
    deployment = CompiledPipeline.read(pipeline).ir["deploymentConfig"]
    specs = [*deployment.get("executorSpecs", {}).values(), *deployment.get("customDriverSpecs", {}).values()]
    paths = {spec.get("pythonExecutorSpec", spec).get("classPath", "") for spec in specs}
    return sorted({path.rpartition(".")[0] for path in paths if path})
