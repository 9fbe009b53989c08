"""A compiled pipeline's graph, parameters and settings, as Airflow has them."""

from datetime import timedelta

import pytest
from airflow.exceptions import ParamValidationError
from airflow.serialization.serialized_objects import DagSerialization

from nightlite.errors import CompiledPipelineError, SettingsError
from nightlite.runner.compiled_pipeline import CompiledPipeline, Node, Parameter
from nightlite.runner.in_airflow.component_docs import ComponentDoc
from nightlite.runner.in_airflow.config import AirflowPipelineConfig, NodeSettings
from nightlite.runner.in_airflow.dag_runner import AirflowDagRunner


def render(compiled, **config):
    return AirflowDagRunner(AirflowPipelineConfig(**config)).run(compiled)


def stored(dag):
    """Return a DAG as Airflow's database holds it."""
    return DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dag))


def with_parameter(compiled, **parameter):
    return compiled.model_copy(update={"parameters": (Parameter(**parameter),)})


def test_the_graph_is_the_pipeline_s(compiled, tmp_path):
    compiled.write(tmp_path / "compiled.json")
    for source in (compiled, tmp_path / "compiled.json"):
        dag = render(source)
        assert dag.dag_id == "diamond"
        assert {task.task_id: task.upstream_task_ids for task in dag.tasks} == {
            node.id: set(node.upstream) for node in compiled.nodes
        }


def test_tasks_have_names_docs_and_groups_that_leave_their_ids_alone(compiled):
    again = stored(render(compiled))
    assert again.get_task("Trainer.mnist").downstream_task_ids == {"Pusher"}
    assert "tfx.components.trainer.component.Trainer" in again.get_task("Trainer.mnist").doc_md
    names = {task.task_id: task.task_display_name for task in again.tasks}
    assert names == {
        "ExampleGen": "Import examples",
        "latest": "Find latest",
        "Trainer.mnist": "Train mnist",
        "Trainer.lite": "Train lite",
        "Pusher": "Push",
    }
    assert all(task.doc_md and f"`{task.task_id}`" in task.doc_md for task in again.tasks)
    groups = {task.task_id: task.task_group.group_id for task in again.tasks}
    # A Resolver belongs where it is used.
    assert groups == {
        "ExampleGen": "data",
        "latest": "train",
        "Trainer.mnist": "train",
        "Trainer.lite": "train",
        "Pusher": "push",
    }
    assert again.task_group.topological_sort()


def test_a_node_s_own_text_goes_before_its_component_s(compiled):
    dag = render(compiled, components={"*.lite": ComponentDoc("Train", "train", "Trains nothing.")})
    lite, full = dag.get_task("Trainer.lite"), dag.get_task("Trainer.mnist")
    assert (lite.task_display_name, lite.task_group.group_id) == ("Train lite", "train")
    assert "Trains nothing." in lite.doc_md and "Trains nothing." not in full.doc_md and "`run_fn`" in full.doc_md


def test_names_and_groups_can_be_changed_and_switched_off(compiled):
    dag = render(compiled, components={"Trainer": ComponentDoc("Fit", "", "")})
    assert dag.get_task("Trainer.lite").task_display_name == "Fit lite"
    dag = render(compiled, components={"*": ComponentDoc("", "", "")})
    assert all(task.task_display_name == task.task_id for task in dag.tasks)
    assert {task.task_group.group_id for task in dag.tasks} == {None}


def test_unknown_components_have_no_group(compiled):
    nodes = (Node(id="mine", type="my.Thing"), Node(id="Trainer", type="x.Trainer", upstream=("mine",)))
    dag = render(compiled.model_copy(update={"nodes": nodes}))
    assert (dag.get_task("mine").task_group.group_id, dag.get_task("mine").task_display_name) == (None, "mine")
    assert dag.get_task("Trainer").task_group.group_id == "train"


@pytest.mark.parametrize(
    "nodes",
    [
        # A group that would come both before and after another, which Airflow cannot draw; and one whose name is taken.
        (
            Node(id="Trainer.a", type="x.Trainer"),
            Node(id="Evaluator", type="x.Evaluator", upstream=("Trainer.a",)),
            Node(id="Trainer.b", type="x.Trainer", upstream=("Evaluator",)),
        ),
        (Node(id="train", type="x.Trainer"),),
    ],
)
def test_a_pipeline_that_does_not_fit_the_groups_has_none(compiled, nodes):
    dag = render(compiled.model_copy(update={"nodes": nodes}))
    assert {task.task_group.group_id for task in dag.tasks} == {None}
    assert stored(dag).task_group.topological_sort()


def test_two_renderings_are_equal(compiled):
    # Else Airflow would make a new version of the DAG each time that it parses the file.
    assert DagSerialization.serialize_dag(render(compiled)) == DagSerialization.serialize_dag(render(compiled))


@pytest.mark.parametrize(
    "conf", [{"epochs": "3"}, {"epochs": 0}, {"epochs": True}, {"rate": "fast"}, {"note": 1}, {"epochs": None}]
)
def test_airflow_refuses_a_wrong_value_before_there_is_a_run(compiled, conf):
    # What the API server does with a trigger's conf; it answers this error with 400.
    dag = stored(render(compiled))
    assert dag.params.deep_merge({"epochs": 7, "rate": 1, "note": "{{ x }}"}).validate()["epochs"] == 7
    with pytest.raises(ParamValidationError, match=next(iter(conf))):
        dag.params.deep_merge(conf).validate()


def test_params_of_the_config_and_of_the_pipeline(compiled):
    dag = render(compiled, airflow_dag_config={"dag_id": "mine", "params": {"ticket": 1}})
    assert dag.dag_id == "mine"
    assert {name: dag.params[name] for name in dag.params} == {"ticket": 1, "epochs": 3, "rate": 0.5, "note": "none"}
    assert dag.params.get_param("rate").description == "peak"
    assert dag.params.get_param("epochs").schema == {"type": "integer", "minimum": 1, "title": "Epochs"}


def test_a_parameter_without_default_must_be_given(compiled):
    required = with_parameter(compiled, name="span", type="int")
    dag = stored(render(required))
    with pytest.raises(ParamValidationError, match="span"):
        dag.params.deep_merge({}).validate()
    with pytest.raises(SettingsError, match="required params without default"):
        render(required, airflow_dag_config={"schedule": "@daily"})


def test_node_settings_by_pattern(compiled):
    dag = render(
        compiled,
        airflow_dag_config={"default_args": {"owner": "me", "retries": 1}},
        node_settings={
            "Trainer.*": NodeSettings(pool="gpu", retries=2, env={"A": "1", "B": "1"}),
            "Trainer.lite": NodeSettings(retries=0, execution_timeout=timedelta(minutes=5), env={"B": "2"}),
        },
    )
    lite, keras, pusher = (dag.get_task(task_id) for task_id in ("Trainer.lite", "Trainer.mnist", "Pusher"))
    assert (lite.pool, lite.retries, lite.execution_timeout) == ("gpu", 0, timedelta(minutes=5))
    assert (keras.pool, keras.retries, keras.execution_timeout) == ("gpu", 2, None)
    assert (pusher.pool, pusher.retries, pusher.owner) == ("default_pool", 1, "me")
    assert (lite.env, keras.env, pusher.env) == ({"A": "1", "B": "2"}, {"A": "1", "B": "1"}, {})


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"node_settings": {"Trainr.*": {}}}, "Received: 'Trainr"),
        ({"node_settings": {"*": {"retires": 1}}}, "NodeSettings, retires: .*Received: 1"),
        ({"node_settings": {"*": {"retries": -1}}}, "Received: -1"),
        ({"airflow_dag_config": {"shedule": None}}, "shedule"),
        ({"airflow_dag_config": {"schedule": "2 o'clock"}}, 'Received: "2 o\'clock"'),
    ],
)
def test_a_config_that_cannot_be_meant(compiled, config, message):
    with pytest.raises(SettingsError, match=message):
        render(compiled, **config)


@pytest.mark.parametrize(
    "change",
    [
        {"nodes": (Node(id="white space", type="x.Y"),)},
        {"parameters": (Parameter(name="n", type="int", default="three"),)},
    ],
)
def test_a_pipeline_that_airflow_cannot_take(compiled, change):
    with pytest.raises(CompiledPipelineError):
        render(compiled.model_copy(update=change))


def test_this_pipeline_s_own_parameters_render(compiled):
    from models.mnist.on_device import MODEL
    from nightlite.ondevice.run_parameters import parameters, run_params

    dag = render(
        compiled.model_copy(update={"parameters": parameters(MODEL)}), airflow_dag_config={"schedule": "@daily"}
    )
    assert {name: dag.params[name] for name in dag.params} == run_params(MODEL)().model_dump()


def test_empty_pipeline():
    assert render(CompiledPipeline(tfx_version="1.21.0", name="nothing", nodes=(), ir={})).tasks == []


def test_a_deployments_defaults_go_before_the_compiled_ones(compiled):
    dag = render(compiled, parameter_defaults={"epochs": 7})
    assert dag.params["epochs"] == 7
    assert dag.params["rate"] == 0.5
    assert dag.params.get_param("epochs").schema["minimum"] == 1


@pytest.mark.parametrize(
    ("defaults", "error", "message"),
    [
        ({"epoch": 7}, SettingsError, "parameter_defaults: expected some of epochs, rate, note. Received: epoch"),
        ({"epochs": 0}, CompiledPipelineError, "run parameter epochs: its default is refused"),
    ],
)
def test_a_default_that_no_parameter_takes_is_refused(compiled, defaults, error, message):
    with pytest.raises(error, match=message):
        render(compiled, parameter_defaults=defaults)


def test_a_nodes_own_retries_and_timeout_are_its_tasks_unless_the_config_has_others(compiled):
    first, *others = compiled.nodes
    own = compiled.model_copy(
        update={"nodes": (first.model_copy(update={"retries": 3, "timeout_seconds": 60}), *others)}
    )
    task = render(own).get_task(first.id)
    assert (task.retries, task.execution_timeout) == (3, timedelta(seconds=60))
    task = render(own, node_settings={"*": NodeSettings(retries=1)}).get_task(first.id)
    assert (task.retries, task.execution_timeout) == (1, timedelta(seconds=60))


def test_a_node_that_can_do_without_a_skipped_one_does_not_wait_for_it(compiled):
    *others, last = compiled.nodes
    optional = compiled.model_copy(update={"nodes": (*others, last.model_copy(update={"optional": last.upstream[:1]}))})
    rules = {node.id: render(optional).get_task(node.id).trigger_rule for node in optional.nodes}
    assert rules.pop(last.id) == "none_failed"
    assert set(rules.values()) == {"all_success"}
