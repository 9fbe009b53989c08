"""Resolvers that find nothing, run as Airflow runs them but in this process."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tfx.orchestration.portable import resolver_node_handler

from nightlite.runner.exit_codes import EXIT_FAILED, EXIT_OK
from nightlite.runner.in_tfx import node
from nightlite.runner.in_tfx.compile import compile_pipeline
from nightlite.runner.in_tfx.constructs import resolver_handler
from nightlite.runner.in_tfx.request import NodeRequest
from nightlite.runner.node_result import NodeResult
from nightlite.settings import forget_settings
from tests.pipelines import first_run

Run = Callable[..., tuple[int, NodeResult]]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    folder = tmp_path_factory.mktemp("first")
    compile_pipeline(first_run.create_pipeline(str(folder / "root"))).write(folder / "first.json")

    def run_node(node_id: str, run_id: str = "first-run") -> tuple[int, NodeResult]:
        result = folder / f"{node_id}.json"
        url = f"sqlite:///{folder}/mlmd.sqlite"
        code = node.execute(NodeRequest(folder / "first.json", node_id, run_id, url, {}, result))
        return code, NodeResult.read(result)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NIGHTLITE_VAR_DIR", str(folder))
        forget_settings()
        for node_id in ("Earlier", "Blessed"):
            code, result = run_node(node_id)
            assert (code, result.state, result.outputs) == (EXIT_OK, "succeeded", {})
        yield run_node
        forget_settings()


def test_what_needs_nothing_of_a_resolver_goes_on(run: Run) -> None:
    code, result = run("Train")
    assert code == EXIT_OK
    assert Path(result.outputs["warm"][0].uri).read_text() == "no"


def test_an_input_that_is_not_optional_fails_with_a_sentence(run: Run) -> None:
    code, result = run("Compare")
    assert code == EXIT_FAILED
    assert result.reason and "inputs[earlier] has min_count = 1 but only got 0 artifacts" in result.reason


def test_a_pusher_pushes_nothing_without_the_blessing_it_waits_for(run: Run) -> None:
    assert run("Train")[0] == EXIT_OK
    code, result = run("Pusher")
    assert code == EXIT_FAILED
    assert result.reason == (
        "expected Blessed to have found a blessing (model_blessing). Received: none, so nothing is pushed"
    )


def test_a_strategy_that_breaks_still_fails(run: Run) -> None:
    code, result = run("Broken")
    assert (code, result.state) == (EXIT_FAILED, "failed")
    assert result.reason and result.reason.endswith(": RuntimeError: the strategy is broken")


def test_tfxs_own_handler_still_fails_a_resolver_that_finds_nothing(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolver_handler, "ResolverHandler", resolver_node_handler.ResolverNodeHandler)
    code, result = run("Earlier", "another-run")
    assert (code, result.state) == (EXIT_FAILED, "failed")
