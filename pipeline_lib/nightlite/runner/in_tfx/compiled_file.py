"""Compiled pipelines that this process has read. Each version of a file is read and parsed once.

A warm server's children inherit what it has read, so that no node reads it again.
"""

import functools
import json
from pathlib import Path

from google.protobuf import json_format
from tfx.proto.orchestration import pipeline_pb2

from nightlite.runner.compiled_pipeline import CompiledPipeline

# Pipelines of one deployment, each in one version or two.
_KEPT = 64


def read(path: Path) -> CompiledPipeline:
    """Return the compiled pipeline of a file. Raise the same errors as `CompiledPipeline.read`."""
    try:
        status = path.stat()
    except OSError:
        return CompiledPipeline.read(path)  # its error names the command to run
    return _read(path, status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size)


@functools.lru_cache(_KEPT)
def _read(path: Path, *_version: int) -> CompiledPipeline:
    return CompiledPipeline.read(path)


def ir_of(compiled: CompiledPipeline) -> pipeline_pb2.Pipeline:
    """Return a compiled pipeline's IR as a message of the caller's own."""
    copy = pipeline_pb2.Pipeline()
    # As text, because ParseDict would reorder the given dictionary.
    copy.CopyFrom(_parsed(json.dumps(compiled.ir)))
    return copy


@functools.lru_cache(_KEPT)
def _parsed(ir: str) -> pipeline_pb2.Pipeline:
    return json_format.Parse(ir, pipeline_pb2.Pipeline())
