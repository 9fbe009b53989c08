"""Files of the user's code: `module_file` and its like, and the folder that a pipeline was compiled in.

TFX's own runners make a wheel of each module file and install it in each node. Here, the node imports the file.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from tfx.proto.orchestration import pipeline_pb2

from nightlite.errors import CompiledPipelineError

_MODULE_FILE = "module_file"


def make_absolute(node: pipeline_pb2.PipelineNode) -> None:
    """Make a node's module file absolute, because a node runs in another folder than the compiler.

    Raises:
      CompiledPipelineError: there is no such file.
    """
    value = node.parameters.parameters.get(_MODULE_FILE)
    if value is None or not value.field_value.string_value:
        return
    file = Path(value.field_value.string_value)
    if not file.is_file():
        raise CompiledPipelineError(f"{node.node_info.id}: expected a Python file as module_file. Received: {file}")
    value.field_value.string_value = str(file.absolute())


def make_importable(sources: str, node: pipeline_pb2.PipelineNode) -> None:
    """Let this process import from the pipeline's folder, and from beside the node's module file, after all else."""
    for folder in (sources, *_module_folders(node)):
        if folder and folder not in sys.path:
            sys.path.append(folder)


def _module_folders(node: pipeline_pb2.PipelineNode) -> Iterator[str]:
    value = node.parameters.parameters.get(_MODULE_FILE)
    if value is not None and value.field_value.string_value:
        yield os.path.dirname(value.field_value.string_value)
