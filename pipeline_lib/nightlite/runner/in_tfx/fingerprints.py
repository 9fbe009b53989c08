"""A node's fingerprint of the code that decides its result: an exec property, and so a part of TFX's cache key.

TFX knows an executor by its class's name and a trainer by its function's. It would answer edited code from the
cache. The fingerprint covers the executor, the driver, and the functions and classes that the exec properties name.
It also covers everything of ours or the user's that these import. See docs/decisions/0014-cache-keys.md.
"""

import hashlib
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tfx.proto.orchestration import pipeline_pb2

from nightlite import errors
from nightlite.runner.in_tfx import source_files

FINGERPRINT = "code_sha256"
FILE_FINGERPRINT = "file_sha256"
_SCHEMA_FILE = "schema_file"
# Dotted names anywhere in a text. Top-level modules only under such a key.
_DOTTED = re.compile(r"(?<![\w./\\-])[^\W\d]\w*(?:\.[^\W\d]\w*)+")
_MODULE = re.compile(r'module\w*\\*"\s*:\s*\\*"([^\W\d]\w*)\\*"')
# The contents count, not the path.
_WHERE_MODULES_LIE = "PYTHONPATH"


def add_fingerprints(
    node: pipeline_pb2.PipelineNode, deployment_config: Mapping[str, Any], own_environment: Iterable[str] = ()
) -> None:
    """Add `code_sha256` to a node that has an executor, and `file_sha256` to one that names a schema, in place.

    Args:
      node: with its run parameters filled in.
      deployment_config: the compiled pipeline's `deploymentConfig`, which has the executors and drivers by node id.
      own_environment: names of the environment variables that were set for this node alone.
    """
    parameters = node.parameters.parameters
    if executables := _executables(deployment_config, node.node_info.id):
        texts = {name: value.field_value.string_value for name, value in parameters.items()}
        code = _fingerprint(executables, texts, sorted({*own_environment} - {_WHERE_MODULES_LIE}))
        parameters[FINGERPRINT].field_value.string_value = code
    if _SCHEMA_FILE in parameters:
        file = Path(parameters[_SCHEMA_FILE].field_value.string_value)
        content = file.read_bytes() if file.exists() else b""
        parameters[FILE_FINGERPRINT].field_value.string_value = hashlib.sha256(content).hexdigest()


def read_ahead(compiled: str) -> None:
    """Read every file that a compiled pipeline's nodes reach, so that this process's children need not."""
    modules = source_files.reached(_names({"": compiled}), sys.path)
    for file in (*modules.values(), *source_files.package_data(modules).values()):
        source_files.digest(file)


def _executables(deployment_config: Mapping[str, Any], node_id: str) -> list[str]:
    specs = [deployment_config.get(kind, {}).get(node_id) for kind in ("executorSpecs", "customDriverSpecs")]
    return [path for spec in specs if spec and (path := spec.get("pythonExecutorSpec", spec).get("classPath"))]


def _fingerprint(executables: Sequence[str], texts: Mapping[str, str], own_environment: Sequence[str]) -> str:
    modules = source_files.reached([*executables, *_names(texts)], sys.path)
    for file in _module_files(texts.values()):
        path = [str(file.parent), *sys.path]
        modules |= {file.stem: file, **source_files.reached(source_files.imports(file), path)}
    modules.pop(errors.__name__, None)  # a failure is never answered from the cache
    files = {**modules, **source_files.package_data(modules)}
    lines = [f"{name} {source_files.digest(files[name])}" for name in sorted(files)]
    lines += [f"python {sys.version_info.major}.{sys.version_info.minor}"]
    lines += source_files.installed_distributions(sys.path)
    lines += [f"{name}={os.environ.get(name)!r}" for name in own_environment]
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def _names(texts: Mapping[str, str]) -> Iterator[str]:
    for name, text in texts.items():
        yield from _DOTTED.findall(text)
        yield from _MODULE.findall(text)
        if "module" in name:
            yield text


def _module_files(texts: Iterable[str]) -> list[Path]:
    return [Path(text) for text in texts if text.endswith(".py") and os.path.isfile(text)]
