"""Compiled pipelines as an enemy writes them: a DAG, or one of our errors; nothing runs, little time, little memory."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from airflow.serialization.serialized_objects import DagSerialization
from hypothesis import given
from hypothesis import strategies as st

from pipeline_lib.airflow.dag_runner import AirflowDagRunner
from pipeline_lib.errors import MnistLiteError
from pipeline_lib.graph import CompiledPipeline, sealed
from pipeline_lib.places import PROJECT
from pipeline_lib.run_params import parameters
from tests.faults.changed_json import FUZZ, changed, changes


@pytest.fixture
def document(compiled: CompiledPipeline) -> dict[str, Any]:
    whole = compiled.model_copy(update={"parameters": (*compiled.parameters, *parameters()[:6])})
    return json.loads(whole.model_dump_json())


def write(file: Path, form: Any) -> None:
    """With a digest that matches, as whoever wants to do harm would."""
    file.write_text(sealed(json.dumps(form)) if form else json.dumps(form))


def render(file: Path) -> str:
    """What became of it: what the dag-processor does with a DAG file of ours, short of the database."""
    try:
        dag = AirflowDagRunner().run(file)
    except MnistLiteError as error:
        assert len(str(error)) < 20_000
        return type(error).__name__
    assert {task.task_type for task in dag.tasks} <= {"TfxNodeOperator"}
    DagSerialization.serialize_dag(dag)
    return "DAG"


@FUZZ
@given(steps=st.lists(changes(5), min_size=1, max_size=3))
def test_a_document_of_odd_values_is_a_dag_or_refused(
    document: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: list[Any]
) -> None:
    monkeypatch.chdir(tmp_path)  # where what runs would leave its trace
    form = json.loads(json.dumps(document))
    for step in steps:
        if form:
            changed(form, *step)
    file = tmp_path / "compiled.json"
    write(file, form)
    tracemalloc.start()
    render(file)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64 * 2**20
    assert sorted(tmp_path.iterdir()) == [file]


@FUZZ
@given(at=st.integers(0, 6000), data=st.binary(max_size=40), end=st.integers(0, 6000))
def test_bytes_of_any_kind_are_a_dag_or_refused(
    document: dict[str, Any], tmp_path: Path, at: int, data: bytes, end: int
) -> None:
    content = json.dumps(document).encode()
    damaged = content[:at] + data + content[max(at, end) :]
    (tmp_path / "compiled.json").write_bytes(damaged)
    assert render(tmp_path / "compiled.json") == "CompiledPipelineError"  # it has no digest
    with contextlib.suppress(ValueError):  # no UTF-8, or no object
        (tmp_path / "compiled.json").write_text(sealed(damaged.decode()))
        render(tmp_path / "compiled.json")


@pytest.mark.parametrize("key", ["$ref", "$dynamicRef", "$recursiveRef", "$schema"])
@pytest.mark.parametrize("nested", [False, True])
def test_a_schema_that_points_elsewhere_is_refused_and_nothing_is_fetched(
    document: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str, nested: bool
) -> None:
    def connect(_: socket.socket, address: Any) -> None:
        raise AssertionError(f"it asked {address}")

    monkeypatch.setattr(socket.socket, "connect", connect)
    schema = {key: "http://127.0.0.1:9/schema.json"}
    document["parameters"][0]["json_schema"] = {"allOf": [schema]} if nested else schema
    write(tmp_path / "compiled.json", document)
    assert render(tmp_path / "compiled.json") == "CompiledPipelineError"


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 1_000_000,
        b'{"ir":' * 100_000 + b"1" + b"}" * 100_000,
        b'{"tfx_version": ' + b"9" * 5_000_000 + b"}",
        b'"' + b"\\ud800" * 1000 + b'"',
        b"\xff" * 1000,
        b"",
        b"null",
        b"{}",
    ],
    ids=["brackets", "nested", "digits", "surrogates", "no-utf8", "empty", "null", "object"],
)
def test_files_that_break_parsers_are_refused(tmp_path: Path, content: bytes) -> None:
    before = sys.getrecursionlimit()
    (tmp_path / "compiled.json").write_bytes(content)
    assert render(tmp_path / "compiled.json") == "CompiledPipelineError"
    with contextlib.suppress(ValueError):
        (tmp_path / "compiled.json").write_text(sealed(content.decode()))
        assert render(tmp_path / "compiled.json") == "CompiledPipelineError"
    assert sys.getrecursionlimit() == before


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A compiled pipeline as TFX's compiler writes it, which only its own environment can."""
    file = tmp_path_factory.mktemp("real") / "nights.json"
    command = [PROJECT / ".venvs/tfx/bin/python", "-m", "tests.pipelines.tiny_nights", file, "/nowhere", "/nowhere"]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    subprocess.run(command, cwd=PROJECT, env=environment, check=True, capture_output=True)
    return file.read_text()


@FUZZ
@given(steps=st.lists(changes(9), min_size=1, max_size=3))
def test_damage_in_tfxs_part_is_refused_and_what_has_a_digest_is_never_looked_into(
    real: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: list[Any]
) -> None:
    monkeypatch.chdir(tmp_path)
    file, form = tmp_path / "compiled.json", json.loads(real)
    assert form["ir"]["nodes"]
    for step in steps:
        if form["ir"]:
            changed(form["ir"], *step)
    damaged = json.dumps(form, indent=1)
    file.write_text(real.partition("\n")[0] + "\n" + damaged.partition("\n")[2])
    assert render(file) == "CompiledPipelineError"
    write(file, form)
    assert render(file) in ("DAG", "CompiledPipelineError")
    assert not {"tests.pipelines.tiny_nights", "tfx", "tensorflow"} & set(sys.modules)  # whose classes it names
    assert sorted(tmp_path.iterdir()) == [file]
