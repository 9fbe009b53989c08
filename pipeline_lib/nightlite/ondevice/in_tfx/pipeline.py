"""The pipeline: from spans of examples to a TFLite file that may ship."""

from collections.abc import Mapping
from pathlib import Path

import tensorflow_data_validation as tfdv
import tensorflow_model_analysis as tfma
from tfx import v1 as tfx
from tfx.dsl.components.base import executor_spec
from tfx.types import Channel, standard_artifacts

from nightlite.ondevice.approval import APPROVAL_RECORD
from nightlite.ondevice.in_tfx.artifact_types import SOURCES, DataGates
from nightlite.ondevice.in_tfx.data_gate.component import DataGate, PreviousSpanStrategy
from nightlite.ondevice.in_tfx.data_gate.executor import label_schema
from nightlite.ondevice.in_tfx.edge_validator.component import EdgeValidator
from nightlite.ondevice.in_tfx.evaluation.eval_config import eval_config
from nightlite.ondevice.in_tfx.example_gen.component import SpanExampleGen
from nightlite.ondevice.in_tfx.pusher import executor
from nightlite.ondevice.in_tfx.pusher.baseline import ReleasedModelStrategy
from nightlite.ondevice.in_tfx.report.component import ModelReport
from nightlite.ondevice.in_tfx.report.outcome_component import OutcomeReport
from nightlite.ondevice.model import OnDeviceModel
from nightlite.ondevice.run_parameters import training_params
from nightlite.runner.in_tfx import run_parameters
from nightlite.runner.in_tfx.run_parameters import RunValue


def create_pipeline(
    model: OnDeviceModel,
    pipeline_root: str,
    data_dir: str,
    push_dir: str,
    run_values: Mapping[str, RunValue],
    schema_file: Path | None = None,
) -> tfx.dsl.Pipeline:
    """Retrain, convert, evaluate both forms, and push the TFLite file if it passes every gate.

    Args:
      model: names the nodes, the features and the functions that are called.
      pipeline_root: folder that receives every artifact.
      data_dir: holds `span-N/{train,eval}-*` TFRecords of tf.Example. `run_values` select the spans.
      push_dir: receives the releases, as described in `nightlite/ondevice/releases/store.py`.
      run_values: the run's parameters, by the names of `run_params(model)` and of `context_parameters()`:
        RuntimeParameters, or plain values.
      schema_file: the curated schema. Without one, each run infers it from its own training split.
    """
    example_gen = SpanExampleGen(
        input_base=data_dir,
        input_config=tfx.proto.Input(
            splits=[
                tfx.proto.Input.Split(name="train", pattern="span-{SPAN}/train-*"),
                tfx.proto.Input.Split(name="eval", pattern="span-{SPAN}/eval-*"),
            ]
        ),
        run_values=run_values,
    ).with_id("ImportExampleGen")
    examples = example_gen.outputs["examples"]

    # With a class as a category its values are counted, which a measurement of drift needs.
    statistics_gen = tfx.components.StatisticsGen(
        examples=examples, stats_options=tfdv.StatsOptions(schema=label_schema(model.label_key, model.task))
    )
    statistics = statistics_gen.outputs["statistics"]
    if schema_file:
        schema_gen = tfx.components.ImportSchemaGen(schema_file=str(schema_file)).with_id("SchemaGen")
    else:
        schema_gen = tfx.components.SchemaGen(statistics=statistics, infer_feature_shape=True)
    schema = schema_gen.outputs["schema"]
    example_validator = tfx.components.ExampleValidator(statistics=statistics, schema=schema)
    previous_span = tfx.dsl.Resolver(
        strategy_class=PreviousSpanStrategy,
        examples=examples,
        gates=Channel(type=DataGates, producer_component_id="DataGate"),
    ).with_id("Resolver.previous_span")
    data_gate = DataGate(
        examples=examples,
        statistics=statistics,
        schema=schema,
        anomalies=example_validator.outputs["anomalies"],
        previous=previous_span.outputs["gates"],
        label_key=model.label_key,
        task=model.task,
        run_values=run_values,
    )

    transform = tfx.components.Transform(
        examples=examples,
        schema=schema,
        preprocessing_fn=model.preprocessing_fn,
        disable_statistics=True,
        materialize=False,  # the Trainer applies the graph, in an order that only data and seed decide
    )
    transform.add_upstream_node(data_gate)

    trainer = tfx.components.Trainer(
        run_fn=model.run_fn,
        examples=examples,
        transform_graph=transform.outputs["transform_graph"],
        schema=schema,
        custom_config={name: run_values[name] for name in training_params(model).model_fields},
    ).with_id(model.trainer)

    # The same weights in another file: any disagreement of the two Evaluators comes from the conversion.
    # It gets raw examples, as phones do: Transform is a part of the SavedModel's `lite`, if it changes anything.
    lite_trainer = tfx.components.Trainer(
        run_fn=model.lite_run_fn,
        examples=examples,
        transform_graph=transform.outputs["transform_graph"],
        schema=schema,
        base_model=trainer.outputs["model"],
        custom_config={"contract": model.contract.model_dump_json(), "quantization": run_values["quantization"]},
    ).with_id(f"Trainer.{model.lite}")

    evaluator = tfx.components.Evaluator(
        examples=examples,
        model=trainer.outputs["model"],
        eval_config=eval_config(model, tfma.ModelSpec(signature_name="serving_default"), run_values),
    ).with_id(f"Evaluator.{model.name}")

    # The model that phones have now: the last release, not the last model.
    released = tfx.dsl.Resolver(
        strategy_class=ReleasedModelStrategy,
        config={
            "push_dir": push_dir,
            "imported_dir": str(Path(pipeline_root) / "Resolver.released" / "model"),
            "contract": model.app_contract.model_dump_json(),
        },
        model=Channel(type=standard_artifacts.Model, producer_component_id=lite_trainer.id),
        # An older release that losses are measured against, so that many small ones do not add up.
        anchor=Channel(type=standard_artifacts.Model, producer_component_id=lite_trainer.id),
        replaced=Channel(type=standard_artifacts.Model, producer_component_id=lite_trainer.id),
        blessing=Channel(type=standard_artifacts.InfraBlessing, producer_component_id="EdgeValidator"),
    ).with_id("Resolver.released")

    lite_evaluator = tfx.components.Evaluator(
        examples=examples,
        model=lite_trainer.outputs["model"],
        baseline_model=released.outputs["model"],
        eval_config=eval_config(model, tfma.ModelSpec(model_type="tf_lite"), run_values),
    ).with_id(f"Evaluator.{model.lite}")

    edge_validator = EdgeValidator(
        examples=examples,
        model=lite_trainer.outputs["model"],
        keras_model=trainer.outputs["model"],
        data_gates=data_gate.outputs["gates"],
        evaluation=evaluator.outputs["evaluation"],
        lite_evaluation=lite_evaluator.outputs["evaluation"],
        baseline_model=released.outputs["model"],
        anchor_model=released.outputs["anchor"],
        replaced_model=released.outputs["replaced"],
        contract=model.app_contract,
        label_key=model.label_key,
        run_values=run_values,
    )

    pusher = tfx.components.Pusher(
        model=lite_trainer.outputs["model"],
        model_blessing=lite_evaluator.outputs["blessing"],
        infra_blessing=edge_validator.outputs["blessing"],
        push_destination=tfx.proto.PushDestination(
            filesystem=tfx.proto.PushDestination.Filesystem(base_directory=push_dir)
        ),
        custom_config={
            "contract": model.app_contract.model_dump_json(),
            "card": model.card.model_dump_json(),
            "push": run_values["push"],
        },
        custom_executor_spec=executor_spec.ExecutorClassSpec(executor.Executor),
    ).with_id(model.pusher)
    # For the manifest. The Pusher's own interface has no inputs for them. `every_value()` stands for all parameters of
    # a run, as one JSON text.
    pusher.exec_properties["span"] = examples.future()[0].custom_property("span")
    pusher.exec_properties["source"] = examples.future()[0].custom_property(SOURCES)
    pusher.exec_properties["run_parameters"] = run_parameters.every_value()
    pusher.exec_properties["evaluation_uri"] = lite_evaluator.outputs["evaluation"].future()[0].uri
    pusher.exec_properties.update({name: run_values[name] for name in ("approval", APPROVAL_RECORD)})

    # No push waits for it: a broken report blocks none.
    model_report = ModelReport(
        examples=examples,
        statistics=statistics,
        anomalies=example_validator.outputs["anomalies"],
        model=trainer.outputs["model"],
        model_run=trainer.outputs["model_run"],
        evaluation=evaluator.outputs["evaluation"],
        lite_evaluation=lite_evaluator.outputs["evaluation"],
        infra_blessing=edge_validator.outputs["blessing"],
        run_parameters=run_parameters.every_value(),
        card=model.card.model_dump_json(),
    )

    outcome_report = OutcomeReport(report=model_report.outputs["report"], pushed_model=pusher.outputs["pushed_model"])

    return tfx.dsl.Pipeline(
        pipeline_name=model.pipeline_name,
        pipeline_root=pipeline_root,
        components=[
            example_gen,
            statistics_gen,
            schema_gen,
            example_validator,
            previous_span,
            data_gate,
            transform,
            trainer,
            lite_trainer,
            evaluator,
            released,
            lite_evaluator,
            edge_validator,
            pusher,
            model_report,
            outcome_report,
        ],
        enable_cache=True,
        beam_pipeline_args=[],  # the settings choose them, by node and size: `runner/in_tfx/beam/arguments.py`
    )
