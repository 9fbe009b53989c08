"""`nightlite compile`, `run-node` and `run-local` for anybody's pipeline, in this process."""

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from nightlite.errors import CompiledPipelineError
from nightlite.runner.compiled_pipeline import CompiledPipeline
from nightlite.runner.exit_codes import EXIT_FAILED, EXIT_OK, EXIT_USAGE
from nightlite.runner.in_tfx import commands, node, node_log, run_node
from nightlite.runner.in_tfx.warm import client, forking
from nightlite.settings import forget_settings

SHOP = """
from pathlib import Path
from typing import Literal, Optional

from tfx import v1 as tfx
from tests.pipelines.constructs import Add, Fail, Say


def create_pipeline(root: Path, size: int = 1, ratios: list[float] = (), kind: Literal["new", "old"] = "new",
                    word: Optional[str] = None, fails: bool = False):
    first = tfx.dsl.experimental.RuntimeParameter("first", ptype=int, default=size)
    add = Add(first=first, second=len(ratios))
    said = Say(word=f"{kind} {word} {type(root).__name__}")
    broken = [Fail()] if fails else []
    store = tfx.orchestration.metadata.sqlite_metadata_connection_config("mlmd.sqlite")
    return tfx.dsl.Pipeline("shop", str(root), components=[add, said, *broken], metadata_connection_config=store)


def within(root: str):
    return tfx.dsl.Pipeline("outer", root, components=[create_pipeline(root)])


def a_list(): return [1]
def breaks(): raise KeyError("no such shelf")
def odd(inner: tfx.dsl.Pipeline): return inner
"""


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Yield a folder with a module of somebody's, as the working directory."""
    (tmp_path / "shop.py").write_text(SHOP)
    (tmp_path / "broken_shop.py").write_text("import no_such_module")
    (tmp_path / "typo_shop.py").write_text("from tfx import v1\nx = = 1")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NIGHTLITE_VAR_DIR", str(tmp_path / "var"))
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(node_log, "quiet", lambda **_: None)
    forget_settings()
    yield tmp_path
    sys.modules.pop("shop", None)
    forget_settings()


def compiled(*arguments: str, function: str = "shop:create_pipeline") -> int:
    return commands.main(["compile", function, *arguments, "--output", "shop.json"])


def test_a_function_is_compiled_with_arguments_of_its_annotations(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["root=root", "size=7", "ratios=[0.5, 1]", "kind=old", "word=a b"]
    assert compiled(*(word for text in arguments for word in ("--arg", text))) == EXIT_OK
    out = capsys.readouterr().out
    assert "compiled shop: 2 nodes, " in out and "written to shop.json" in out
    assert "metadata_connection_config is not used: the store is the setting NIGHTLITE_METADATA_URL" in out
    read = CompiledPipeline.read(shop / "shop.json")
    assert [(item.name, item.default) for item in read.parameters] == [("first", 7), ("force", False)]
    text = json.dumps(read.ir)
    assert '"old a b PosixPath"' in text and f'"{shop}/root"' in text and "mlmd.sqlite" not in text
    assert read.sources == str(shop)
    assert read.compiled_by.startswith("nightlite compile shop:create_pipeline --arg root=root --arg size=7 ")
    assert read.compiled_by.endswith(" --arg 'word=a b' --output shop.json")


@pytest.mark.parametrize(
    ("function", "arguments", "sentence"),
    [
        ("shop", (), "expected MODULE:FUNCTION, such as shop.pipeline:create_pipeline. Received: 'shop'"),
        ("no_shop:create", (), "cannot import no_shop from {cwd}: ModuleNotFoundError: No module named 'no_shop'"),
        ("shop.no:create", (), "cannot import shop.no from {cwd}: ModuleNotFoundError: No module named 'shop.no'"),
        ("store/shop.py:create", (), "not a file. Received: 'store/shop.py:create'; write store.shop:create"),
        ("./shop.py", (), "not a file. Received: './shop.py'; write shop:FUNCTION"),
        ("typo_shop:create", (), "SyntaxError: invalid syntax ({cwd}/typo_shop.py, line 2)"),
        (
            "broken_shop:create",
            (),
            "cannot import broken_shop from {cwd}: ModuleNotFoundError: No module named 'no_such",
        ),
        ("shop:create_pipelin", (), "Did you mean create_pipeline? Expected a function of shop."),
        ("shop:create_pipeline", (), "expected a value of root. Received: none: add --arg root=…"),
        ("shop:create_pipeline", ("root=r", "siize=1"), "--arg: Did you mean size? Expected arguments of"),
        ("shop:create_pipeline", ("root=r", "size=big"), "--arg size: expected int (Input should be a valid integer"),
        ("shop:create_pipeline", ("root=r", "kind=odd"), "--arg kind: expected typing.Literal['new', 'old'] ("),
        ("shop:create_pipeline", ("root",), "--arg: expected NAME=VALUE. Received: 'root'"),
        ("shop:a_list", (), "shop:a_list: expected it to return a tfx.dsl.Pipeline. Received: list"),
        ("shop:breaks", (), "shop:breaks raised KeyError: 'no such shelf' ({cwd}/shop.py, line 24)"),
        ("shop:odd", ("inner=x",), "--arg inner: expected a type that a text can be converted to"),
    ],
)
def test_what_cannot_be_compiled_as_asked_is_one_sentence_and_usage(
    shop: Path, capsys: pytest.CaptureFixture[str], function: str, arguments: tuple[str, ...], sentence: str
) -> None:
    options = [word for text in arguments for word in ("--arg", text)]
    assert compiled(*options, function=function) == EXIT_USAGE
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("nightlite: ") and sentence.format(cwd=os.getcwd()) in error
    assert not (shop / "shop.json").exists()


@pytest.mark.parametrize("function", ["no_shop:create", "no.shop:create", "typo_shop:create", "shop.py:create"])
def test_a_misspelt_module_is_refused_before_tfx_is_imported(
    shop: Path, capsys: pytest.CaptureFixture[str], function: str
) -> None:
    assert compiled(function=function) == EXIT_USAGE
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert compiled(function="shop:a_list") == EXIT_USAGE
    assert capsys.readouterr().err.startswith("importing TFX")


def test_the_import_of_tfx_is_announced_as_long_where_it_is_not_byte_compiled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands.importlib.util, "find_spec", lambda name: SimpleNamespace(origin=tmp_path / name))
    assert "a minute or more" in commands._importing()
    (tmp_path / "__pycache__").mkdir()
    assert commands._importing() == "importing TFX …"


def test_a_construct_that_is_not_run_is_no_usage_error(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compiled("--arg", "root=/root", function="shop:within") == EXIT_FAILED
    assert "nightlite: 'shop' is a pipeline within the pipeline" in capsys.readouterr().err


def test_a_compiled_file_is_run_whole_and_a_failure_is_the_exit_code(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = os.environ.get("TMPDIR")
    assert compiled("--arg", "root=root") == EXIT_OK
    capsys.readouterr()
    assert commands.main(["run-local", "shop.json", "--run-id", "one", "--param", "first=4"]) == EXIT_OK
    results = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    assert {result["node_id"]: result["state"] for result in results} == {"Add": "succeeded", "Say": "succeeded"}
    [total] = next(result for result in results if result["node_id"] == "Add")["outputs"]["total"]
    assert Path(total["uri"]).read_text() == "4"
    assert commands.main(["run-local", "shop.json", "--param", "fiirst=4"]) == EXIT_USAGE
    assert "Did you mean first? Received: fiirst" in capsys.readouterr().err
    assert commands.main(["run-local", "none.json"]) == EXIT_USAGE
    assert "run-local: no compiled pipeline at none.json" in capsys.readouterr().err
    assert compiled("--arg", "root=root", "--arg", "fails=true") == EXIT_OK
    with pytest.raises(ValueError, match="it never works"):
        commands.main(["run-local", "shop.json", "--run-id", "two"])
    assert Path(tempfile.gettempdir()).is_dir() and os.environ.get("TMPDIR") == before


def test_a_node_is_run_by_its_command_and_a_wrong_one_is_usage(
    shop: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(client, "run", lambda *_: pytest.fail("a warm server was asked"))
    # No fork of a process in which other tests have run TensorFlow.
    no_lifeline = SimpleNamespace(hold=lambda: None)
    monkeypatch.setattr(forking, "run_here", lambda given: forking._run_node(given, no_lifeline))
    assert compiled("--arg", "root=root") == EXIT_OK
    capfd.readouterr()
    asked = ["run-node", "--pipeline=shop.json", "--run-id=one", "--runtime=cold"]
    assert commands.main([*asked, "--node=Add", "--param=first=5"]) == EXIT_OK
    assert capfd.readouterr().out.startswith("Add succeeded (execution 1)")
    assert commands.main([*asked, "--node=Sayy"]) == EXIT_USAGE
    assert "Did you mean Say? Expected one of the nodes Add, Say. Received: 'Sayy'" in capfd.readouterr().out
    assert commands.main([*asked, "--node=Add", "--param=fiirst=5"]) == EXIT_USAGE
    assert "Did you mean first?" in capfd.readouterr().out


def test_the_commands_help_shows_how_it_is_called(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run_node.main(["--help"], "nightlite run-node")
    help_text = capsys.readouterr().out
    assert "nightlite run-node --pipeline shop.json --node Trainer --run-id by-hand" in help_text


def test_a_file_of_another_tfx_is_refused_with_its_own_command(shop: Path) -> None:
    assert compiled("--arg", "root=root") == EXIT_OK
    other = CompiledPipeline.read(shop / "shop.json").model_copy(update={"tfx_version": "1.20.0"})
    sentence = r"Received: one compiled with 1\.20\.0: run 'nightlite compile shop:create_pipeline .*'$"
    with pytest.raises(CompiledPipelineError, match=sentence):
        node.bound_pipeline(other, "run", {})
