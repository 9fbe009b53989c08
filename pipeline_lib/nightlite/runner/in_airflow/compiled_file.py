"""A file for a compiled pipeline that a DAG was given by value."""

import hashlib
import tempfile
from pathlib import Path

from nightlite.paths import runtime_dir
from nightlite.runner.compiled_pipeline import CompiledPipeline


def file_of(pipeline: CompiledPipeline) -> Path:
    """A pipeline's file under the name of its content: all of its nodes share the warm server of that one file."""
    digest = hashlib.sha256(pipeline.model_dump_json(indent=1).encode()).hexdigest()
    path = runtime_dir() / "compiled" / "by-digest" / f"{digest[:32]}.json"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            pipeline.write(Path(folder, path.name))
            Path(folder, path.name).replace(path)
    return path
