"""Whether code or a schema changed since a cached execution.

TFX is told a function's name (`run_fn='pipeline_lib.mnist.trainer.run_fn'`) and caches by it, so that an edited
trainer would be answered with the old trainer's model. A fingerprint of the package's files, added to the node's
exec properties, makes an edit a new execution. The same goes for components of this project, whose executors TFX knows
by name only, and for ImportSchemaGen's file.
"""

import hashlib
import importlib.util
from pathlib import Path

from tfx.proto.orchestration import pipeline_pb2

FINGERPRINT = "code_sha256"
FILE_FINGERPRINT = "file_sha256"
_OWN_COMPONENTS = "pipeline_lib."
_SCHEMA_FILE = "schema_file"
_FUNCTION_PROPERTIES = ("run_fn", "preprocessing_fn", "tuner_fn", "module_path")


def add_fingerprints(node: pipeline_pb2.PipelineNode) -> None:
    """Add `code_sha256` to a node that names code of ours, and `file_sha256` to one that names a schema, in place."""
    parameters = node.parameters.parameters
    paths = [parameters[name].field_value.string_value for name in _FUNCTION_PROPERTIES if name in parameters]
    if node.node_info.type.name.startswith(_OWN_COMPONENTS):
        paths.append(node.node_info.type.name)
    if folders := sorted({folder for path in paths if (folder := _package_folder(path))}):
        digest = hashlib.sha256()
        for folder in folders:
            for file in sorted(folder.rglob("*.py")):
                digest.update(file.relative_to(folder).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
        parameters[FINGERPRINT].field_value.string_value = digest.hexdigest()
    if _SCHEMA_FILE in parameters:
        file = Path(parameters[_SCHEMA_FILE].field_value.string_value)
        content = file.read_bytes() if file.exists() else b""
        parameters[FILE_FINGERPRINT].field_value.string_value = hashlib.sha256(content).hexdigest()


def _package_folder(function_path: str) -> Path | None:
    package = function_path.rpartition(".")[0].rpartition(".")[0]
    spec = importlib.util.find_spec(package) if package else None
    return Path(spec.origin).parent if spec and spec.origin else None
