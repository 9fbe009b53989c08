"""A compiled file is read once, and again when there is another."""

import os
from pathlib import Path

import pytest

from nightlite.errors import CompiledPipelineError
from nightlite.runner.compiled_pipeline import CompiledPipeline, Node
from nightlite.runner.in_tfx import compiled_file


def compiled(*ids: str) -> CompiledPipeline:
    nodes = tuple(Node(id=name, type="T") for name in ids)
    return CompiledPipeline(tfx_version="1", name="p", nodes=nodes, ir={"pipelineInfo": {"id": "p"}})


def test_a_file_is_read_once_until_it_is_another(tmp_path: Path) -> None:
    file = tmp_path / "p.json"
    compiled("A").write(file)
    first = compiled_file.read(file)
    assert compiled_file.read(file) is first
    compiled("B").write(file)
    assert [node.id for node in compiled_file.read(file).nodes] == ["B"]


def test_a_file_that_is_damaged_after_it_was_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "p.json"
    compiled("A").write(file)
    status = file.stat()
    compiled_file.read(file)
    file.write_bytes(file.read_bytes().replace(b'"A"', b'"B"'))
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    with pytest.raises(CompiledPipelineError, match="does not match its digest"):
        compiled_file.read(file)


def test_a_missing_file_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(CompiledPipelineError, match="no compiled pipeline at"):
        compiled_file.read(tmp_path / "none.json")


def test_what_one_caller_fills_in_is_no_other_ones() -> None:
    pipeline = compiled("A")
    compiled_file.ir_of(pipeline).pipeline_info.id = "changed"
    assert compiled_file.ir_of(pipeline).pipeline_info.id == "p"
