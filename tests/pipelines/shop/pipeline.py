"""The pipeline of the shop. `nightlite compile pipeline:create_pipeline` is called in this folder."""

from pathlib import Path

import tensorflow_model_analysis as tfma
from tfx import v1 as tfx

MODULE = "shop_module.py"


def write_data(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    rows = [f"{price},{int(price > 50)}" for price in range(100)]
    Path(folder, "data.csv").write_text("\n".join(["price,bought", *rows]))


def create_pipeline(root: str, data: str) -> tfx.dsl.Pipeline:
    gen = tfx.components.CsvExampleGen(input_base=data)
    statistics = tfx.components.StatisticsGen(examples=gen.outputs["examples"])
    schema = tfx.components.SchemaGen(statistics=statistics.outputs["statistics"])
    transform = tfx.components.Transform(
        examples=gen.outputs["examples"], schema=schema.outputs["schema"], module_file=MODULE, disable_statistics=True
    )
    steps = {"train_args": tfx.proto.TrainArgs(num_steps=1), "eval_args": tfx.proto.EvalArgs(num_steps=1)}
    given = {
        "examples": transform.outputs["transformed_examples"],
        "transform_graph": transform.outputs["transform_graph"],
    }
    tuner = tfx.components.Tuner(module_file=MODULE, **given, **steps)
    trainer = tfx.components.Trainer(
        module_file=MODULE, hyperparameters=tuner.outputs["best_hyperparameters"], **given, **steps
    )
    accuracy = tfma.MetricConfig(
        class_name="BinaryAccuracy",
        threshold=tfma.MetricThreshold(value_threshold=tfma.GenericValueThreshold(lower_bound={"value": 0.4})),
    )
    evaluator = tfx.components.Evaluator(
        examples=gen.outputs["examples"],
        model=trainer.outputs["model"],
        module_file=MODULE,
        eval_config=tfma.EvalConfig(
            model_specs=[tfma.ModelSpec(label_key="bought")],
            slicing_specs=[tfma.SlicingSpec()],
            metrics_specs=[tfma.MetricsSpec(metrics=[accuracy])],
        ),
    )
    bulk = tfx.components.BulkInferrer(
        examples=gen.outputs["examples"],
        model=trainer.outputs["model"],
        model_blessing=evaluator.outputs["blessing"],
        data_spec=tfx.proto.DataSpec(example_splits=["eval"]),
        model_spec=tfx.proto.ModelSpec(model_signature_name=["serving_default"]),
    )
    pusher = tfx.components.Pusher(
        model=trainer.outputs["model"],
        model_blessing=evaluator.outputs["blessing"],
        push_destination=tfx.proto.PushDestination(
            filesystem=tfx.proto.PushDestination.Filesystem(base_directory=f"{root}/pushed")
        ),
    )
    nodes = [gen, statistics, schema, transform, tuner, trainer, evaluator, bulk, pusher]
    return tfx.dsl.Pipeline("shop", root, components=nodes, enable_cache=True)
