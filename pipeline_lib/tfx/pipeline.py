"""The pipeline: from spans of handwritten digits to a TFLite file that may ship."""

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow_model_analysis as tfma
from google.protobuf import json_format
from tfx import v1 as tfx

from pipeline_lib.mnist.features import IMAGE_KEY, LABEL_KEY
from pipeline_lib.tfx.model_report import ModelReport
from pipeline_lib.tfx.runtime_params import RunValue

# An empty list keeps Beam in this process: any argument at all makes TFX build a source package on every Beam node.
IN_MEMORY: tuple[str, ...] = ()


def create_pipeline(
    pipeline_name: str,
    pipeline_root: str,
    data_dir: str,
    push_dir: str,
    run_values: Mapping[str, RunValue],
    beam_pipeline_args: Sequence[str] = IN_MEMORY,
) -> tfx.dsl.Pipeline:
    """Retrain, convert, evaluate both forms, and push the TFLite file if its own Evaluator blesses it.

    Args:
      pipeline_name: names the pipeline's context in MLMD; runs of one name share their cache.
      pipeline_root: folder that receives every artifact.
      data_dir: holds `span-N/{train,eval}-*` TFRecords of tf.Example; the latest span is used.
      push_dir: receives one folder per blessed model, named by its version.
      run_values: what a run can be told, by the names of `RunParams`: RuntimeParameters, or plain values.
      beam_pipeline_args: for data larger than one process should hold.
    """
    example_gen = tfx.components.ImportExampleGen(
        input_base=data_dir,
        input_config=tfx.proto.Input(
            splits=[
                tfx.proto.Input.Split(name="train", pattern="span-{SPAN}/train-*"),
                tfx.proto.Input.Split(name="eval", pattern="span-{SPAN}/eval-*"),
            ]
        ),
    )
    examples = example_gen.outputs["examples"]

    statistics_gen = tfx.components.StatisticsGen(examples=examples)
    schema_gen = tfx.components.SchemaGen(statistics=statistics_gen.outputs["statistics"], infer_feature_shape=True)
    schema = schema_gen.outputs["schema"]
    example_validator = tfx.components.ExampleValidator(statistics=statistics_gen.outputs["statistics"], schema=schema)

    transform = tfx.components.Transform(
        examples=examples,
        schema=schema,
        preprocessing_fn="pipeline_lib.mnist.preprocessing.preprocessing_fn",
        disable_statistics=True,
    )

    trainer = tfx.components.Trainer(
        run_fn="pipeline_lib.mnist.trainer.run_fn",
        examples=transform.outputs["transformed_examples"],
        transform_graph=transform.outputs["transform_graph"],
        schema=schema,
        custom_config={name: run_values[name] for name in ("epochs", "batch_size", "learning_rate", "seed")},
    ).with_id("Trainer.mnist")

    # The same weights in another file: whatever the two Evaluators disagree on, the conversion did.
    lite_trainer = tfx.components.Trainer(
        run_fn="pipeline_lib.mnist.lite_trainer.run_fn",
        examples=transform.outputs["transformed_examples"],
        transform_graph=transform.outputs["transform_graph"],
        schema=schema,
        base_model=trainer.outputs["model"],
    ).with_id("Trainer.mnist_lite")

    evaluator = tfx.components.Evaluator(
        examples=examples,
        model=trainer.outputs["model"],
        eval_config=eval_config(tfma.ModelSpec(signature_name="serving_default", label_key=LABEL_KEY), run_values),
    ).with_id("Evaluator.mnist")

    lite_evaluator = tfx.components.Evaluator(
        examples=examples,
        model=lite_trainer.outputs["model"],
        eval_config=eval_config(tfma.ModelSpec(model_type="tf_lite", label_key=LABEL_KEY), run_values),
    ).with_id("Evaluator.mnist_lite")

    pusher = tfx.components.Pusher(
        model=lite_trainer.outputs["model"],
        model_blessing=lite_evaluator.outputs["blessing"],
        push_destination=tfx.proto.PushDestination(
            filesystem=tfx.proto.PushDestination.Filesystem(base_directory=push_dir)
        ),
    ).with_id("Pusher.mnist_lite")

    model_report = ModelReport(
        examples=examples,
        statistics=statistics_gen.outputs["statistics"],
        anomalies=example_validator.outputs["anomalies"],
        model=trainer.outputs["model"],
        model_run=trainer.outputs["model_run"],
        lite_model=lite_trainer.outputs["model"],
        evaluation=evaluator.outputs["evaluation"],
        lite_evaluation=lite_evaluator.outputs["evaluation"],
        image_key=IMAGE_KEY,
        label_key=LABEL_KEY,
    )

    return tfx.dsl.Pipeline(
        pipeline_name=pipeline_name,
        pipeline_root=pipeline_root,
        components=[
            example_gen,
            statistics_gen,
            schema_gen,
            example_validator,
            transform,
            trainer,
            lite_trainer,
            evaluator,
            lite_evaluator,
            pusher,
            model_report,
        ],
        enable_cache=True,
        beam_pipeline_args=list(beam_pipeline_args),
    )


def eval_config(model_spec: tfma.ModelSpec, run_values: Mapping[str, RunValue]) -> dict[str, Any]:
    """The same metrics, slices and gates for whichever model, so that two evaluations can be laid side by side.

    Args:
      model_spec: how TFMA loads the model and finds the label.
      run_values: `min_accuracy` overall and `min_class_accuracy` of every single digit, in [0, 1], for a blessing.

    Returns:
      A `tfma.EvalConfig` in proto3 JSON form: that is how TFX admits a run parameter inside it.
    """
    config = tfma.EvalConfig(
        model_specs=[model_spec],
        slicing_specs=[tfma.SlicingSpec(), tfma.SlicingSpec(feature_keys=[LABEL_KEY])],
        metrics_specs=[
            tfma.MetricsSpec(
                metrics=[
                    tfma.MetricConfig(class_name="ExampleCount"),
                    tfma.MetricConfig(class_name="SparseCategoricalCrossentropy"),
                    tfma.MetricConfig(class_name="SparseCategoricalAccuracy"),
                ]
            )
        ],
    )
    form: dict[str, Any] = json_format.MessageToDict(config, preserving_proto_field_name=True)
    [*_, accuracy] = form["metrics_specs"][0]["metrics"]
    # A plain `threshold` would hold for every slice: the overall bound for each digit too.
    accuracy["per_slice_thresholds"] = [
        {"slicing_specs": [slices], "threshold": {"value_threshold": {"lower_bound": run_values[name]}}}
        for slices, name in (({}, "min_accuracy"), ({"feature_keys": [LABEL_KEY]}, "min_class_accuracy"))
    ]
    return form
