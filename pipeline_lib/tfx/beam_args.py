"""Beam's arguments for a node, by the size of what it reads.

Small data stays in this process: any argument at all makes TFX build a source package, and every worker process
imports TensorFlow anew. Measured: docs/decisions/0004-where-the-time-goes.md.
"""

from collections.abc import Iterable
from pathlib import Path

from tfx.orchestration.portable.beam_executor_operator import BeamExecutorOperator
from tfx.proto.orchestration import placeholder_pb2
from tfx.types import artifact

_MEBIBYTE = 1 << 20
# `sdk_container_image` is not used by a local runner; with it TFX has no reason to build its source package.
MULTI_PROCESSING = (
    "--runner=DirectRunner",
    "--direct_running_mode=multi_processing",
    "--direct_num_workers=0",
    "--sdk_container_image=unused",
)

# What starting them costs is won back above this.
ABOVE_MEBIBYTES = 1024


def give_workers(
    operator: object, inputs: Iterable[artifact.Artifact], above_mebibytes: float = ABOVE_MEBIBYTES
) -> bool:
    """Have a Beam node's executor use one process per core if it reads more than `above_mebibytes`.

    Args:
      operator: what launches the executor; left as it is where Beam has no part, or the pipeline gave arguments.
      inputs: the artifacts that the node reads.
      above_mebibytes: the bound, in MiB.

    Returns:
      Whether the executor will use them.
    """
    if not isinstance(operator, BeamExecutorOperator) or operator.beam_pipeline_args:
        return False
    size = sum(file.stat().st_size for item in inputs for file in Path(item.uri).rglob("*") if file.is_file())
    if size <= above_mebibytes * _MEBIBYTE:
        return False
    for argument in MULTI_PROCESSING:
        expression = placeholder_pb2.PlaceholderExpression()
        expression.value.string_value = argument
        operator.beam_pipeline_args.append(expression)
    print(f"reads {size / _MEBIBYTE:,.0f} MiB, more than {above_mebibytes:,.0f}: Beam uses every core", flush=True)
    return True
