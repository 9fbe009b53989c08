"""Beam nodes in one process and with forked workers, on the same data: what they write is the same."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow_data_validation as tfdv
import tensorflow_model_analysis as tfma
import tensorflow_transform as tft
from tensorflow_metadata.proto.v0 import statistics_pb2

from nightlite.deployment.settings import Settings
from nightlite.ondevice.in_tfx.compile import compile_model
from nightlite.ondevice.in_tfx.ingest.examples import Split, split_at_random
from nightlite.ondevice.in_tfx.ingest.write_span import write_span
from nightlite.runner.compiled_pipeline import CompiledPipeline
from nightlite.runner.node_result import NodeResult
from tests.run_nodes import Deployment
from tests.tiny_table.features import FEATURES, transformed_name
from tests.tiny_table.on_device import MODEL

SPANS, ROWS = 3, 1_000
WANTED = ("StatisticsGen", "Transform", "Evaluator.iris")
Results = Mapping[str, NodeResult]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Results, Results]]:
    """Yield the results of the Beam nodes and of those before them, in one process and with forked workers."""
    folder = tmp_path_factory.mktemp("forked")
    config = Settings(var_dir=folder / "var")
    for seed in range(SPANS):
        write_span(MODEL, split_at_random("made", _rows(seed), MODEL.labels, 0.3), config.folders(MODEL.name).data)
    compiled = compile_model(MODEL, config)
    deployment = Deployment(folder, name=compiled.name)
    compiled.write(deployment.pipeline)
    try:
        yield _run(deployment, compiled, "inf"), _run(deployment, compiled, "0")
    finally:
        deployment.stop_servers()


def _rows(seed: int) -> Split:
    draw = np.random.default_rng(seed)
    labels = draw.integers(len(MODEL.labels), size=ROWS)
    inputs = {
        name: (draw.normal(1 + index, 0.5, ROWS) + labels).astype(np.float32) for index, name in enumerate(FEATURES)
    }
    inputs[FEATURES[0]][::7] = np.nan
    return Split(inputs, labels)


def _run(deployment: Deployment, compiled: CompiledPipeline, above_mib: str) -> Results:
    deployment.environment["NIGHTLITE_BEAM_WORKERS_ABOVE_MIB"] = above_mib
    before = {node.id: node.upstream for node in compiled.nodes}
    needed = {*WANTED}
    for node_id in reversed(before):
        needed |= {*before[node_id]} if node_id in needed else set()
    results = {}
    for node_id in before:
        if node_id in needed:
            params = (f"window={SPANS}", "force=true", "epochs=3", "min_accuracy=0.5", "max_loss=5")
            code, results[node_id], log = deployment.run(node_id, above_mib, *params)
            assert code in (0, 99), log
            assert ("forked workers" in log) == (above_mib == "0" and node_id in WANTED), log
    return results


def _output(results: Results, node_id: str, key: str) -> Path:
    [artifact] = results[node_id].outputs[key]
    return Path(artifact.uri)


def test_statistics_are_equal_but_for_the_last_digits_of_means(both: tuple[Results, Results]) -> None:
    for split in ("train", "eval"):
        one, workers = (
            _features(_output(results, "StatisticsGen", "statistics") / f"Split-{split}") for results in both
        )
        assert one.keys() == workers.keys() == {*FEATURES, MODEL.label_key}
        for name in FEATURES:
            of_one, of_workers = one[name].num_stats, workers[name].num_stats
            for field in ("mean", "std_dev"):  # of sums in another order
                assert getattr(of_workers, field) == pytest.approx(getattr(of_one, field), rel=1e-12)
                of_workers.ClearField(field)
                of_one.ClearField(field)
            assert of_workers == of_one
        assert workers[MODEL.label_key] == one[MODEL.label_key]


def _features(folder: Path) -> dict[str, statistics_pb2.FeatureNameStatistics]:
    [file] = folder.iterdir()
    [found] = tfdv.load_stats_binary(str(file)).datasets
    return {feature.path.step[0]: feature for feature in found.features}


def test_transforms_graphs_give_the_same_values(both: tuple[Results, Results]) -> None:
    one, workers = (
        tft.TFTransformOutput(str(_output(results, "Transform", "transform_graph"))).transform_raw_features(
            {name: np.float32([[0.5], [1.5], [np.nan]]) for name in FEATURES}
        )
        for results in both
    )
    for name in map(transformed_name, FEATURES):
        np.testing.assert_allclose(workers[name], one[name], rtol=1e-5)


def test_metrics_and_the_blessing_are_the_same(both: tuple[Results, Results]) -> None:
    assert [results["Evaluator.iris"].blessed for results in both] == [True, True]
    one, workers = (
        dict(tfma.load_eval_result(str(_output(results, "Evaluator.iris", "evaluation"))).slicing_metrics)
        for results in both
    )
    values, with_workers = dict(_values(one)), dict(_values(workers))
    assert values.keys() == with_workers.keys() and len(values) > 50
    assert with_workers == pytest.approx(values, rel=1e-4, abs=1e-6, nan_ok=True)


def _values(of: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], float]]:
    """Yield each number of TFMA's nested metrics, with its path."""
    items = of.items() if isinstance(of, Mapping) else enumerate(of) if isinstance(of, list) else None
    if items is None:
        yield path, float(of)
        return
    for key, value in items:
        yield from _values(value, (*path, key))
