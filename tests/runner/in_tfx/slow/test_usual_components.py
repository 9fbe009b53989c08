"""Every usual component of TFX, with `module_file`, from `nightlite compile` to a pushed model."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nightlite.paths import PROJECT
from nightlite.runner.compiled_pipeline import CompiledPipeline
from nightlite.runner.in_tfx import commands, node_log
from nightlite.runner.node_result import NodeResult
from nightlite.settings import forget_settings
from tests.in_process import Runs
from tests.pipelines.shop import shop_features
from tests.pipelines.shop.pipeline import write_data

SHOP = PROJECT / "tests" / "pipelines" / "shop"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    """Yield runs of the shop's pipeline, compiled in the shop's folder by its command and run in another."""
    folder = tmp_path_factory.mktemp("shop")
    write_data(folder / "data")
    arguments = [f"root={folder}/root", f"data={folder}/data"]
    options = [word for text in arguments for word in ("--arg", text)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NIGHTLITE_VAR_DIR", str(folder))
        patch.setattr(node_log, "quiet", lambda **_: None)
        patch.setattr(sys, "path", [*sys.path])
        forget_settings()
        patch.chdir(SHOP)
        output = str(folder / "shop.json")
        assert commands.main(["compile", "pipeline:create_pipeline", *options, "--output", output]) == 0
        patch.chdir(folder)
        sys.path.remove(str(SHOP))
        yield Runs(folder)
        forget_settings()


@pytest.fixture(scope="module")
def ran(shop: Runs) -> dict[str, NodeResult]:
    """Return the results of one run of all nodes."""
    compiled = CompiledPipeline.read(shop.folder / "shop.json")
    results = {node.id: shop.node("shop", node.id) for node in compiled.nodes}
    assert {name: result.reason for name, result in results.items() if result.state != "succeeded"} == {}
    return results


def test_a_module_file_gives_transform_its_function_and_imports_from_beside_it(ran: dict[str, NodeResult]) -> None:
    [graph] = ran["Transform"].outputs["transform_graph"]
    assert Path(graph.uri, "transform_fn", "saved_model.pb").is_file()


def test_a_tuners_best_hyperparameters_reach_the_trainers_run_fn(ran: dict[str, NodeResult]) -> None:
    [best] = ran["Tuner"].outputs["best_hyperparameters"]
    assert list(Path(best.uri).iterdir())
    [model] = ran["Trainer"].outputs["model"]
    assert Path(model.uri, "Format-Serving", shop_features.TUNED).read_text() == "['units']"


def test_an_evaluators_module_has_its_extractors_and_its_blessing_lets_the_pusher_push(
    shop: Runs, ran: dict[str, NodeResult]
) -> None:
    assert ran["Evaluator"].blessed and ran["Pusher"].pushed
    assert Path(shop.folder, shop_features.EXTRACTED).is_file()  # it was called, in the node's working directory


def test_a_bulk_inferrer_writes_its_predictions(ran: dict[str, NodeResult]) -> None:
    [predicted] = ran["BulkInferrer"].outputs["inference_result"]
    assert list(Path(predicted.uri).rglob("*.gz"))
