"""Imports of the warm server: all that executors need, and nothing of the user's."""

import functools
import importlib
import json
from pathlib import Path

from nightlite.errors import CompiledPipelineError
from nightlite.runner.compiled_pipeline import CompiledPipeline
from nightlite.runner.in_tfx import fingerprints
from nightlite.runner.in_tfx.warm import forking, identity

# `tfx.v1` has the executors of TFX's own components. Executors import the others at first use.
_ALWAYS = (
    "tfx.v1",
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
    "nightlite.runner.settings",
    "pyarrow.pandas_compat",
    "tensorflow_transform.beam.impl",
    "tfx.components.trainer.rewriting.tflite_rewriter",
    "tfx_bsl.public.tfxio",
)


def preload(pipeline: Path | None = None) -> str | None:
    """Import the needs of every pipeline's executors, and `pipeline`'s executors and hooks but the user's own.

    Returns:
      The first module whose import ran a TensorFlow op, or None.
    """
    own = [name for name in modules_of(pipeline) if identity.covers(name)] if pipeline else []
    for module in [*own, *_ALWAYS]:
        try:
            importlib.import_module(module)
        except (ImportError, TypeError, ValueError) as error:  # the latter two: it cannot be a module's name
            print(f"not preloaded: {module} ({error})", flush=True)
        if forking.eager_context_touched():
            return module
    if pipeline:
        read_ahead(pipeline)
    return None


def modules_of(pipeline: Path) -> list[str]:
    """Return the modules of a compiled pipeline's executors, drivers and hooks, or none if it cannot be read."""
    try:
        compiled = CompiledPipeline.read(pipeline)
    except CompiledPipelineError as error:  # the first node will report the error
        print(f"nothing of the pipeline is preloaded: {error}", flush=True)
        return []
    deployment_config = compiled.ir["deploymentConfig"]
    specs = [
        *deployment_config.get("executorSpecs", {}).values(),
        *deployment_config.get("customDriverSpecs", {}).values(),
    ]
    modules = {spec.get("pythonExecutorSpec", spec).get("classPath", "").rpartition(".")[0] for spec in specs}
    hooks = {hook.partition(":")[0] for hook in (compiled.hooks.outcome, compiled.hooks.after_run)}
    return sorted(name for name in modules | hooks if name)


def read_ahead(pipeline: Path) -> None:
    """Read the code that a pipeline's nodes reach, once for each version of its file, without importing it.

    It saves each node's fingerprint tens of milliseconds.
    """
    try:
        status = pipeline.stat()
        _read_ahead(pipeline, status.st_mtime_ns, status.st_size)
    except Exception as error:  # one pipeline's error must not end the server of all: its node will report it
        print(f"nothing of {pipeline} is read ahead: {type(error).__name__}: {error}", flush=True)


@functools.lru_cache
def _read_ahead(pipeline: Path, *_version: int) -> None:
    fingerprints.read_ahead(json.dumps(CompiledPipeline.read(pipeline).ir))
