"""Beam's arguments of one node, chosen by the settings, its id and the size of its input files."""

import fnmatch
import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tfx.orchestration.portable import data_types
from tfx.orchestration.portable.base_executor_operator import BaseExecutorOperator
from tfx.orchestration.portable.beam_executor_operator import BeamExecutorOperator
from tfx.proto import example_gen_pb2
from tfx.proto.orchestration import placeholder_pb2
from tfx.proto.orchestration.executable_spec_pb2 import BeamExecutableSpec
from tfx.types import standard_component_specs
from tfx.utils import proto_utils

from nightlite.errors import CompiledPipelineError
from nightlite.runner.compiled_pipeline import CompiledPipeline
from nightlite.runner.in_tfx import node_log
from nightlite.runner.settings import Settings, settings

# Without one of these, TFX builds a source package of itself in each node: 1 s, and 42 MB left in TMPDIR.
_NO_PACKAGE = "--sdk_container_image=unused"
_KEEPS_PACKAGE_AWAY = (
    "--sdk_container_image",
    "--worker_harness_container_image",
    "--extra_package",
    "--setup_file",
    "--requirements_file",
)
_MIB = 2**20


def is_beam_node(pipeline: Path, node_id: str) -> bool:
    """Return whether a compiled pipeline's node has a Beam executor. A file that cannot be read has none."""
    try:
        specs = CompiledPipeline.read(pipeline).ir["deploymentConfig"]["executorSpecs"]
    except (CompiledPipelineError, KeyError):
        return False  # the node itself reports the first
    return str(specs.get(node_id, {}).get("@type", "")).endswith(BeamExecutableSpec.DESCRIPTOR.full_name)


def choose(operator: BaseExecutorOperator, info: data_types.ExecutionInfo) -> None:
    """Replace the arguments of a Beam node's operator, if the settings have others for it. The log says how it runs."""
    if not isinstance(operator, BeamExecutorOperator):
        return
    mebibytes = input_bytes(info) / _MIB
    node_id = info.pipeline_node.node_info.id
    arguments, reason = chosen(settings(), node_id, mebibytes, compiled=bool(operator.beam_pipeline_args))
    node_log.say(f"{node_id} has {mebibytes:,.1f} MiB of input files{reason}")
    if arguments is None:
        return
    values = [placeholder_pb2.PlaceholderExpression() for _ in arguments]
    for value, argument in zip(values, arguments, strict=True):
        value.value.string_value = argument
    operator.beam_pipeline_args = values


def chosen(of: Settings, node_id: str, mebibytes: float, compiled: bool) -> tuple[Sequence[str] | None, str]:
    """Return a node's arguments, or None to keep those of the compiled pipeline, with the end of the log's line.

    Args:
      of: the settings.
      node_id: the node's id, which patterns match.
      mebibytes: the size of its input files.
      compiled: whether the compiled pipeline has arguments for it.
    """
    for number, entry in enumerate(of.beam_args, 1):
        if fnmatch.fnmatchcase(node_id, entry.nodes) and mebibytes >= entry.above_mib:
            arguments = without_package(entry.args)
            return arguments, f": Beam has entry {number} of NIGHTLITE_BEAM_ARGS: {shlex.join(arguments)}"
    if compiled:
        return None, ": Beam has the arguments of the compiled pipeline"
    if mebibytes < of.beam_workers_above_mib:
        limit = f"NIGHTLITE_BEAM_WORKERS_ABOVE_MIB={of.beam_workers_above_mib:g}"
        return None, f", below {limit}: Beam runs in this process"
    workers = cores()
    return without_package(forked_workers(workers)), f": Beam has {workers} forked workers"


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def forked_workers(workers: int) -> list[str]:
    """Return the arguments for so many worker processes, of which `ports` makes forks."""
    return ["--runner=DirectRunner", "--direct_running_mode=multi_processing", f"--direct_num_workers={workers}"]


def without_package(arguments: Sequence[str]) -> Sequence[str]:
    """Return the arguments with one that keeps TFX from building a package of itself, if they need it."""
    if not arguments or any(argument.startswith(_KEEPS_PACKAGE_AWAY) for argument in arguments):
        return arguments
    return [*arguments, _NO_PACKAGE]


def input_bytes(info: data_types.ExecutionInfo) -> int:
    """Return the size of an execution's input files on this machine's disks, 0 for those elsewhere.

    They are the files of its input artifacts, or an ExampleGen's own.
    """
    uris = {item.uri for items in info.input_dict.values() for item in items}
    files = {file for uri in uris for file in _files_below(uri)} | {*_files_of_example_gen(info)}
    return sum(file.stat().st_size for file in files)


def _files_below(uri: str) -> Iterator[Path]:
    place = _local(uri)
    if place is not None:
        yield from [place] if place.is_file() else (file for file in place.rglob("*") if file.is_file())


def _files_of_example_gen(info: data_types.ExecutionInfo) -> Iterator[Path]:
    properties = info.exec_properties
    base = _local(str(properties.get(standard_component_specs.INPUT_BASE_KEY) or ""))
    if base is None or not (config := properties.get(standard_component_specs.INPUT_CONFIG_KEY)):
        return
    wanted = example_gen_pb2.Input()
    proto_utils.json_to_proto(config, wanted)
    for split in wanted.splits:
        yield from (file for file in base.glob(split.pattern) if file.is_file())


def _local(uri: str) -> Path | None:
    return Path(uri) if uri and "://" not in uri else None
