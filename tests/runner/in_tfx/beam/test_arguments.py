"""The choice of a node's Beam arguments by the settings."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tfx.proto import example_gen_pb2
from tfx.types import standard_artifacts
from tfx.utils import proto_utils

from nightlite.runner.in_tfx.beam import arguments
from nightlite.runner.settings import BeamArguments, Settings
from nightlite.settings import forget_settings
from tests.in_process import Runs, texts
from tests.pipelines.constructs import BeamArguments as ShowArguments

LARGE = BeamArguments(nodes="Evaluator.*", above_mib=500, args=("--runner=PortableRunner",))
ALL = BeamArguments(nodes="*", args=("--runner=DirectRunner", "--setup_file=mine.py"))


@pytest.mark.parametrize(
    ("node_id", "mebibytes", "expected"),
    [
        ("Evaluator.shop", 500, "--runner=PortableRunner"),
        ("Evaluator.shop", 499, "--runner=DirectRunner"),
        ("Evaluator", 9_999, "--runner=DirectRunner"),
        ("evaluator.shop", 9_999, "--runner=DirectRunner"),
    ],
)
def test_the_first_entry_that_matches_wins(node_id: str, mebibytes: float, expected: str) -> None:
    of = Settings(beam_args=(LARGE, ALL), beam_workers_above_mib=0)
    found, _ = arguments.chosen(of, node_id, mebibytes, compiled=False)
    assert found and found[0] == expected


def test_a_match_replaces_compiled_arguments_and_workers_do_not() -> None:
    found, words = arguments.chosen(Settings(beam_args=(LARGE,)), "Evaluator.shop", 500, compiled=True)
    assert found == ["--runner=PortableRunner", "--sdk_container_image=unused"]
    assert words == (": Beam has entry 1 of NIGHTLITE_BEAM_ARGS: --runner=PortableRunner --sdk_container_image=unused")
    found, words = arguments.chosen(Settings(beam_workers_above_mib=0), "Evaluator.shop", 500, compiled=True)
    assert (found, words) == (None, ": Beam has the arguments of the compiled pipeline")


def test_workers_begin_at_a_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arguments, "cores", lambda: 3)
    of = Settings(beam_workers_above_mib=100)
    assert arguments.chosen(of, "Transform", 99.9, compiled=False) == (
        None,
        ", below NIGHTLITE_BEAM_WORKERS_ABOVE_MIB=100: Beam runs in this process",
    )
    found = arguments.chosen(of, "Transform", 100, compiled=False)
    assert found == (
        [
            "--runner=DirectRunner",
            "--direct_running_mode=multi_processing",
            "--direct_num_workers=3",
            "--sdk_container_image=unused",
        ],
        ": Beam has 3 forked workers",
    )


@pytest.mark.parametrize(
    ("given", "added"),
    [
        ([], []),
        (["--runner=x"], ["--sdk_container_image=unused"]),
        (["--sdk_container_image", "mine"], []),
        (["--setup_file=x"], []),
        (["--extra_packages=x"], []),
    ],
)
def test_no_arguments_make_tfx_build_its_package(given: list[str], added: list[str]) -> None:
    assert arguments.without_package(given) == [*given, *added]


def test_a_size_is_that_of_the_input_artifacts_files_on_this_machine(tmp_path: Path) -> None:
    for name, size in (("Split-train/a", 5), ("Split-eval/b", 7), ("beside", 100)):
        file = tmp_path / ("examples" if "/" in name else "") / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(bytes(size))
    elsewhere, here = standard_artifacts.Examples(), standard_artifacts.Examples()
    elsewhere.uri, here.uri = "gs://bucket/examples", str(tmp_path / "examples")
    info = SimpleNamespace(input_dict={"examples": [here, elsewhere], "again": [here]}, exec_properties={})
    assert arguments.input_bytes(info) == 12


def test_a_size_is_that_of_the_files_that_an_example_gen_reads(tmp_path: Path) -> None:
    for name, size in (("span-1/train/a", 5), ("span-1/eval/b", 7), ("span-2/train/a", 100)):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(bytes(size))
    splits = [example_gen_pb2.Input.Split(name=name, pattern=f"span-1/{name}/*") for name in ("train", "eval")]
    config = proto_utils.proto_to_json(example_gen_pb2.Input(splits=splits))
    info: Any = SimpleNamespace(input_dict={}, exec_properties={"input_base": str(tmp_path), "input_config": config})
    assert arguments.input_bytes(info) == 12


def test_a_node_has_the_arguments_of_today_without_being_compiled_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NIGHTLITE_VAR_DIR", str(tmp_path))
    runs = Runs(tmp_path)
    own = ShowArguments().with_beam_pipeline_args(["--labels=compiled"])
    compiled = runs.compile("chosen", [own])
    entry = {"nodes": "BeamArgument?", "args": ["--labels=of_settings"]}
    for value, there, not_there in (
        (json.dumps([entry]), "--labels=of_settings", "--labels=compiled"),
        ("", "--labels=compiled", "--labels=of_settings"),
    ):
        monkeypatch.setenv("NIGHTLITE_BEAM_ARGS", value)
        forget_settings()
        [text] = texts(runs.all(compiled, f"with-{there}")["BeamArguments"])["text"]
        assert there in text and not_there not in text
        said = f"entry 1 of NIGHTLITE_BEAM_ARGS: {there} " if value else "the arguments of the compiled pipeline\n"
        assert f"BeamArguments has 0.0 MiB of input files: Beam has {said}" in capsys.readouterr().out
    forget_settings()


def test_other_arguments_leave_the_cache_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTLITE_VAR_DIR", str(tmp_path))
    runs = Runs(tmp_path)
    compiled = runs.compile("cached", [ShowArguments()], enable_cache=True)
    states = []
    for run_id, value in (("first", ""), ("second", '[{"nodes": "*", "args": ["--labels=other"]}]')):
        monkeypatch.setenv("NIGHTLITE_BEAM_ARGS", value)
        forget_settings()
        states.append(runs.all(compiled, run_id)["BeamArguments"].state)
    forget_settings()
    assert states == ["succeeded", "cached"]
