"""A compiled pipeline as a task group of someone else's DAG."""

import runpy

import pytest
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, Param, TaskGroup, task_group
from airflow.sdk.exceptions import AirflowFailException, ParamValidationError
from airflow.serialization.serialized_objects import DagSerialization

from nightlite.errors import CompiledPipelineError, SettingsError
from nightlite.paths import PROJECT
from nightlite.runner.compiled_pipeline import CompiledPipeline, Node, Parameter
from nightlite.runner.in_airflow import AirflowDagRunner, AirflowPipelineConfig, NodeSettings, TfxTaskGroup
from nightlite.runner.in_airflow.run_values import WholeDagRun


def stored(dag: DAG):
    """Return a DAG as Airflow's database holds it."""
    return DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dag))


def values(dag: DAG, task_id: str, **params):
    """Return the run id and the parameter values that a task gives its node."""
    task = dag.get_task(task_id)
    context = {"run_id": "manual__1", "params": {name: dag.params[name] for name in dag.params} | params, "task": task}
    run = task.pipeline_run
    return run.run_id(context), run.values(context, task.parameters)


def test_a_pipeline_twice_between_tasks_of_the_dag(compiled, tmp_path):
    compiled.write(tmp_path / "compiled.json")
    with DAG("weekly", schedule=None) as dag:
        before, after = EmptyOperator(task_id="before"), EmptyOperator(task_id="after")
        first = TfxTaskGroup("first", pipeline=compiled)
        second = TfxTaskGroup("second", pipeline=tmp_path / "compiled.json")
        before >> first >> second >> after
    again = stored(dag)
    assert again.get_task("first.ExampleGen").upstream_task_ids == {"before"}
    assert again.get_task("first.Trainer.mnist").upstream_task_ids == {"first.ExampleGen", "first.latest"}
    assert again.get_task("second.latest").upstream_task_ids == {"first.Pusher"}
    assert again.get_task("after").upstream_task_ids == {"second.Pusher"}
    assert again.get_task("second.Trainer.lite").task_display_name == "Train lite"
    assert again.get_task("second.Trainer.lite").task_group.group_id == "second.train"
    assert {task.tfx_node_id for task in first} == {node.id for node in compiled.nodes}
    assert again.task_group.topological_sort()
    # Names that no run of a DAG of its own has, and that differ by DAG and by group.
    assert [values(dag, f"{group}.Pusher")[0] for group in ("first", "second")] == [
        "manual__1@weekly@first",
        "manual__1@weekly@second",
    ]


def test_the_example_in_the_docs_renders(compiled, tmp_path):
    section = (PROJECT / "docs" / "runner.md").read_text().partition("## A pipeline inside your DAG\n")[2]
    code = section.partition("```python\n")[2].partition("```")[0]
    nodes = (Node(id="Trainer", type="x.Trainer"), Node(id="Pusher", type="x.Pusher", upstream=("Trainer",)))
    country = Parameter(name="country", type="str", default="se")
    parameters = (*compiled.parameters, country)
    compiled.model_copy(update={"nodes": nodes, "parameters": parameters}).write(tmp_path / "orders.json")
    (tmp_path / "weekly.py").write_text(code)
    dag = runpy.run_path(str(tmp_path / "weekly.py"))["dag"]
    assert dag.get_task("no.Trainer").upstream_task_ids == {"before"} and dag.get_task("no.Trainer").retries == 1
    assert dag.get_task("after").upstream_task_ids == {"se.Pusher", "no.Pusher"}
    assert values(dag, "no.Trainer")[1] == {"country": "no", "epochs": 3}


def test_a_group_within_a_group_and_a_node_without_a_group_of_its_own(compiled):
    nodes = (Node(id="mine", type="my.Thing"), Node(id="Trainer", type="x.Trainer", upstream=("mine",)))
    with DAG("weekly", schedule=None) as dag, TaskGroup("outer"):
        TfxTaskGroup("inner", pipeline=compiled.model_copy(update={"nodes": nodes}))
    groups = {task.task_id: task.task_group.group_id for task in stored(dag).tasks}
    assert groups == {"outer.inner.mine": "outer.inner", "outer.inner.Trainer": "outer.inner.train"}
    assert values(dag, "outer.inner.mine")[0] == "manual__1@weekly@outer.inner"


def test_a_task_before_a_node_is_in_its_group(compiled):
    def gate(*, before, **kwargs):
        return EmptyOperator(task_id=f"Gate.{before}", **kwargs)

    with DAG("weekly", schedule=None) as dag:
        for group_id in ("a", "b"):
            TfxTaskGroup(group_id, pipeline=compiled, config=AirflowPipelineConfig(tasks_before={"Pusher": gate}))
    assert dag.get_task("b.Pusher").upstream_task_ids == {"b.Trainer.lite", "b.Trainer.mnist", "b.Gate.Pusher"}
    assert dag.get_task("b.Gate.Pusher").task_group.group_id == "b.push"


def test_node_settings_and_the_dag_s_default_args_reach_the_nodes(compiled):
    config = AirflowPipelineConfig(node_settings={"Trainer.*": NodeSettings(retries=2)})
    # Such as a BashOperator's, which every operator of the DAG with an argument of that name would get.
    default_args = {"owner": "them", "env": {"A": "1"}, "parameters": ["theirs"]}
    with DAG("weekly", schedule=None, default_args=default_args) as dag:
        TfxTaskGroup("train", pipeline=compiled, config=config, default_args={"retries": 5})
    assert [dag.get_task(f"train.{node}").retries for node in ("Trainer.lite", "Pusher")] == [2, 5]
    pusher = dag.get_task("train.Pusher")
    assert (pusher.owner, pusher.env, pusher.parameters) == ("them", {}, compiled.parameters)


def test_parameters_are_values_or_the_dag_s_and_else_the_pipeline_s_defaults(compiled):
    with DAG("weekly", schedule=None, params={"times": 4, "ticket": 1}) as dag:
        TfxTaskGroup("train", pipeline=compiled, parameters={"epochs": dag.param("times"), "note": "{{ x }}"})
    assert set(dag.params) == {"times", "ticket"}
    assert values(dag, "train.Pusher")[1] == {"epochs": 4, "note": "{{ x }}"}
    # A foreign DAG's runs may carry whatever they like.
    assert values(dag, "train.Pusher", times=9, else_where="?")[1] == {"epochs": 9, "note": "{{ x }}"}
    # The DAG's own bounds are wider.
    with pytest.raises(AirflowFailException, match="epochs, the DAG's times: .*0 is less than the minimum of 1"):
        values(dag, "train.Pusher", times=0)
    with pytest.raises(AirflowFailException, match="epochs: expected a finite int"):
        values(dag, "train.Pusher", times="many")


def test_the_pipeline_s_parameters_join_the_dag_s_where_that_is_asked(compiled):
    with DAG("weekly", schedule=None, params={"ticket": 1}) as dag:
        for group_id in ("a", "b"):
            TfxTaskGroup(group_id, pipeline=compiled, parameters={"note": group_id}, add_params=True)
    assert {name: dag.params[name] for name in dag.params} == {"ticket": 1, "epochs": 3, "rate": 0.5}
    with pytest.raises(ParamValidationError, match="epochs"):
        stored(dag).params.deep_merge({"epochs": 0}).validate()
    assert values(dag, "b.Pusher", epochs=8)[1] == {"epochs": 8, "rate": 0.5, "note": "b"}


def test_a_parameter_of_the_dag_may_be_empty_or_without_a_default(compiled):
    own = {"times": Param(None, type=["null", "integer"]), "speed": Param(type="number")}
    with DAG("weekly", schedule=None, params=own) as dag:
        given = {"epochs": dag.param("times"), "rate": dag.param("speed")}
        TfxTaskGroup("train", pipeline=compiled, parameters=given)
    run, task = dag.get_task("train.Pusher").pipeline_run, dag.get_task("train.Pusher")
    assert run.values({"params": {"times": None, "speed": 2}}, task.parameters) == {"rate": 2.0}


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"epoch": 3}, "Did you mean epochs"),
        ({"epochs": "3"}, "parameters: epochs is refused .*Received: '3'"),
        ({"epochs": 0}, "epochs is refused .*minimum of 1.*Received: 0"),
        ({"epochs": True}, "epochs is refused .*Received: True"),
        ({"epochs": None}, "epochs is refused .*Received: None"),
        ({"epochs": ("ticket",)}, r"epochs is refused .*Received: 'A-7'"),
        ({"epochs": ("tickets",)}, r"Did you mean ticket\? Expected a parameter of the DAG weekly .*Received: tickets"),
        ({"as_of": "2026-01-01"}, "Received: as_of"),
        ({}, "expected a value of span, which has no default"),
    ],
)
def test_parameters_that_cannot_be_meant_are_refused_at_the_parse(compiled, parameters, message):
    more = (Parameter(name="as_of", type="str", default="", given_by="airflow"), Parameter(name="span", type="int"))
    pipeline = compiled.model_copy(update={"parameters": (*compiled.parameters, *more)})
    spans = {"span": 1} if parameters else {}
    with DAG("weekly", schedule=None, params={"ticket": "A-7"}) as dag:
        given = {name: dag.param(*value) if isinstance(value, tuple) else value for name, value in parameters.items()}
        with pytest.raises(SettingsError, match=f"TfxTaskGroup train, parameters: .*{message}|{message}"):
            TfxTaskGroup("train", pipeline=pipeline, parameters=spans | given)


def test_another_parameter_of_that_name_in_the_dag_is_not_taken_silently(compiled):
    said = r"the DAG has a parameter epochs of its own.*dag.param\('epochs'\)"
    with DAG("weekly", schedule=None, params={"epochs": 50}), pytest.raises(SettingsError, match=said):
        TfxTaskGroup("train", pipeline=compiled, add_params=True)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"airflow_dag_config": {"schedule": None}}, "without airflow_dag_config, which is a DAG's"),
        ({"parameter_defaults": {"epochs": 7}}, "without parameter_defaults.*`parameters`"),
        ({"finish": (print,)}, "without finish"),
        ({"node_settings": {"train.*": {}}}, "Received: 'train"),
    ],
)
def test_a_config_s_values_that_are_a_whole_dag_s_are_refused(compiled, config, message):
    with DAG("weekly", schedule=None), pytest.raises(SettingsError, match=message):
        TfxTaskGroup("train", pipeline=compiled, config=AirflowPipelineConfig(**config))


def test_a_mapped_group_is_refused(compiled):
    with DAG("weekly", schedule=None):

        @task_group
        def each(epochs):
            TfxTaskGroup("train", pipeline=compiled)

        with pytest.raises(SettingsError, match=r"each\.train: expected a place outside .*Received: one within each\."):
            each.expand(epochs=[1, 2])


def test_a_pipeline_that_cannot_be_read_is_an_import_error_of_the_dag(tmp_path):
    with DAG("weekly", schedule=None), pytest.raises(CompiledPipelineError, match="no compiled pipeline at"):
        TfxTaskGroup("train", pipeline=tmp_path / "none.json")


def test_a_whole_dag_keeps_its_run_s_name(compiled):
    task = AirflowDagRunner().run(compiled).get_task("Pusher")
    assert task.pipeline_run == WholeDagRun()
    assert task.pipeline_run.run_id({"run_id": "manual__1"}) == "manual__1"


def test_no_node_s_task_has_a_copy_of_the_dag_s_parameters(compiled):
    # Airflow would check every copy's schema at each parse: 60 times as long for 100 nodes and 10 parameters.
    with DAG("weekly", schedule=None, params={"ticket": 1}) as dag:
        TfxTaskGroup("train", pipeline=compiled, add_params=True)
        EmptyOperator(task_id="after")
    whole = AirflowDagRunner().run(compiled)
    assert {len(task.params) for task in whole.tasks + list(dag.task_group.children["train"])} == {0}
    assert (len(whole.params), len(dag.params), len(dag.get_task("after").params)) == (3, 4, 4)


def test_two_renderings_are_equal(compiled: CompiledPipeline):
    def weekly():
        with DAG("weekly", schedule=None) as dag:
            TfxTaskGroup("train", pipeline=compiled, add_params=True)
        return DagSerialization.serialize_dag(dag)

    assert weekly() == weekly()
