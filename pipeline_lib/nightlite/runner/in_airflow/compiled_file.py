"""File of a compiled pipeline that a DAG received by value."""

import hashlib
import tempfile
from pathlib import Path

from nightlite.paths import runtime_dir
from nightlite.runner.compiled_pipeline import CompiledPipeline


def file_of(pipeline: CompiledPipeline) -> Path:
    """Return a pipeline's file, named by its content, so that all of its nodes share one warm server."""
    digest = hashlib.sha256(pipeline.model_dump_json(indent=1).encode()).hexdigest()
    path = runtime_dir() / "compiled" / "by-digest" / f"{digest[:32]}.json"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            pipeline.write(Path(folder, path.name))
            Path(folder, path.name).replace(path)
    return path
