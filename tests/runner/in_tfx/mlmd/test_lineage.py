"""Our lineage query against TFX's own, on a store with hundreds of runs: whole, partial and failed ones."""

import random
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2
from tfx.orchestration import metadata
from tfx.orchestration.portable import cache_utils
from tfx.orchestration.portable.input_resolution import channel_resolver
from tfx.orchestration.portable.mlmd import execution_lib

from nightlite.runner.in_tfx.mlmd import lineage
from nightlite.runner.in_tfx.mlmd.store import connection_config, open_store

RUNS, NODES = 300, 6
States = metadata_store_pb2.Execution
Contexts = dict[str, metadata_store_pb2.Context]
# TFX's own, before anything here puts ours in its place.
TFX_QUERY = channel_resolver._get_executions_by_all_contexts
TFX_CACHED = lineage.tfx_cached_outputs
TFX_SORT = execution_lib.sort_executions_newest_to_oldest
ARTIFACT = metadata_store_pb2.Artifact


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> tuple[MetadataStore, Contexts]:
    """Return a store and its contexts by name: 300 runs of six nodes, every fifth cut short, some executions failed."""
    path: Path = tmp_path_factory.mktemp("history") / "mlmd.sqlite"
    store = MetadataStore(connection_config(f"sqlite:///{path}"))
    draw = random.Random(0)
    kind = store.put_execution_type(metadata_store_pb2.ExecutionType(name="Node"))
    types = {
        name: store.put_context_type(metadata_store_pb2.ContextType(name=name))
        for name in ("pipeline", "node", "pipeline_run")
    }

    def context(type_name: str, name: str) -> metadata_store_pb2.Context:
        made = metadata_store_pb2.Context(type_id=types[type_name], name=name)
        [made.id] = store.put_contexts([made])
        return made

    contexts: Contexts = {"pipeline": context("pipeline", "p"), "other": context("pipeline", "other")}
    for run in range(RUNS):
        contexts[f"run-{run}"] = context("pipeline_run", f"run-{run}")
        for node in range(draw.randint(1, NODES) if run % 5 == 0 else NODES):
            if f"node-{node}" not in contexts:
                contexts[f"node-{node}"] = context("node", f"p.node-{node}")
            for _ in range(draw.choice([1, 1, 1, 2])):  # retries
                state = draw.choice([States.COMPLETE, States.COMPLETE, States.CACHED, States.FAILED, States.RUNNING])
                members = [contexts["pipeline"], contexts[f"run-{run}"], contexts[f"node-{node}"]]
                execution = metadata_store_pb2.Execution(type_id=kind, last_known_state=state)
                store.put_execution(execution, [], members)
    return store, contexts


def _ids(executions: Sequence[metadata_store_pb2.Execution]) -> list[int]:
    return sorted(execution.id for execution in executions)


def test_the_answer_is_tfxs_own_forevery_kind_of_question(history: tuple[MetadataStore, Contexts]) -> None:
    store, contexts = history
    draw = random.Random(1)
    questions = [["pipeline"], ["pipeline", "node-0"], ["pipeline", "other"], ["other"], []]
    for run in draw.sample(range(RUNS), 25):
        node = f"node-{draw.randrange(NODES)}"
        questions += [["pipeline", f"run-{run}", node], [node, f"run-{run}"], [f"run-{run}"]]
    answered = 0
    for names in questions:
        asked = [contexts[name] for name in names]
        ours = _ids(lineage.executions_in_all(store, asked))
        assert ours == _ids(TFX_QUERY(store, asked)), names
        answered += bool(ours)
    assert answered > 50


def test_a_run_is_looked_up_without_its_pipelines_history(
    history: tuple[MetadataStore, Contexts], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, contexts = history
    loaded = []
    whole = MetadataStore.get_executions_by_context

    def counted(self: MetadataStore, context_id: int, *rest: object) -> list[metadata_store_pb2.Execution]:
        executions: list[metadata_store_pb2.Execution] = whole(self, context_id, *rest)
        loaded.extend(executions)
        return executions

    monkeypatch.setattr(MetadataStore, "get_executions_by_context", counted)
    for run in (7, RUNS - 1):
        loaded.clear()
        lineage.executions_in_all(store, [contexts["pipeline"], contexts["node-2"], contexts[f"run-{run}"]])
        assert 0 < len(loaded) <= 2 * (NODES + lineage.PAGE)


def test_a_new_run_asks_no_execution_for_its_contexts(
    history: tuple[MetadataStore, Contexts], monkeypatch: pytest.MonkeyPatch
) -> None:
    """MLMD would look through all associations that it has, once for each."""
    store, contexts = history
    asked = [contexts["pipeline"], contexts["node-2"], contexts[f"run-{RUNS - 1}"]]
    expected = _ids(TFX_QUERY(store, asked))
    monkeypatch.setattr(MetadataStore, "get_contexts_by_execution", None)
    assert _ids(lineage.executions_in_all(store, asked)) == expected != []


@pytest.fixture
def answered(tmp_path: Path) -> tuple[metadata.Metadata, metadata_store_pb2.Context, list[Path]]:
    """Return a store, a cache context with five executions, and the folders of their outputs, oldest first."""
    handle = open_store(f"sqlite:///{tmp_path}/mlmd.sqlite")
    with handle:
        store = handle.store
        context = metadata_store_pb2.Context(
            type_id=store.put_context_type(metadata_store_pb2.ContextType(name="execution_cache")), name="key"
        )
        [context.id] = store.put_contexts([context])
        kind = store.put_execution_type(metadata_store_pb2.ExecutionType(name="Node"))
        model = store.put_artifact_type(metadata_store_pb2.ArtifactType(name="Model"))
        folders = [tmp_path / str(number) for number in range(5)]
        for folder in folders:
            folder.mkdir()
            artifact = metadata_store_pb2.Artifact(type_id=model, uri=str(folder), state=ARTIFACT.LIVE)
            event = metadata_store_pb2.Event(type=metadata_store_pb2.Event.OUTPUT)
            event.path.steps.add().key = "model"
            event.path.steps.add().index = 0
            execution = metadata_store_pb2.Execution(type_id=kind, last_known_state=States.COMPLETE)
            store.put_execution(execution, [(artifact, event)], [context])
    return handle, context, folders


@pytest.mark.parametrize("spoilt", ["nothing", "newest failed", "newest's folder gone", "newest deleted", "all gone"])
def test_the_answer_from_the_cache_is_tfxs_own(
    answered: tuple[metadata.Metadata, metadata_store_pb2.Context, list[Path]], spoilt: str
) -> None:
    handle, context, folders = answered
    with handle:
        executions = sorted(handle.store.get_executions_by_context(context.id), key=lambda item: item.id)
        artifacts = sorted(handle.store.get_artifacts(), key=lambda item: item.id)
        if spoilt == "newest failed":
            executions[-1].last_known_state = States.FAILED
            handle.store.put_executions([executions[-1]])
        elif spoilt == "newest deleted":
            artifacts[-1].state = ARTIFACT.DELETED
            handle.store.put_artifacts([artifacts[-1]])
        for folder in {"newest's folder gone": folders[-1:], "all gone": folders}.get(spoilt, []):
            folder.rmdir()
        ours, theirs = (ask(handle, context) for ask in (lineage.cached_outputs, TFX_CACHED))
    expected = {"nothing": folders[-1], "all gone": None}.get(spoilt, folders[-2])
    for answer in (ours, theirs):
        assert (Path(answer["model"][0].uri) if answer else None) == expected


def test_an_answer_from_the_cache_loads_one_execution(
    answered: tuple[metadata.Metadata, metadata_store_pb2.Context, list[Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    handle, context, _ = answered
    monkeypatch.setattr(lineage, "tfx_cached_outputs", None)
    with handle:
        assert lineage.cached_outputs(handle, context)


def test_the_newest_come_first_as_tfx_has_them_and_also_where_a_clock_was_set_back(
    history: tuple[MetadataStore, Contexts],
) -> None:
    store, contexts = history
    executions = store.get_executions_by_context(contexts["run-1"].id)
    for number, execution in enumerate(sorted(executions, key=lambda item: item.id)):
        execution.create_time_since_epoch = 1000 + number
    random.Random(2).shuffle(executions)
    newest_first = [execution.id for execution in TFX_SORT(executions)]
    assert [execution.id for execution in lineage.newest_first(executions)] == newest_first
    executions[0].create_time_since_epoch = 1
    assert [execution.id for execution in lineage.newest_first(executions)] == newest_first


def test_it_is_what_tfx_calls_once_installed() -> None:
    lineage.install()
    assert channel_resolver._get_executions_by_all_contexts is lineage.executions_in_all
    assert execution_lib.get_executions_associated_with_all_contexts is lineage.executions_in_all_of
    assert cache_utils.get_cached_outputs is lineage.cached_outputs
    assert execution_lib.sort_executions_newest_to_oldest is lineage.newest_first


def test_tfx_still_loads_all_executions_of_every_context() -> None:
    asked: list[tuple[object, ...]] = []

    def executions(*arguments: object) -> list[metadata_store_pb2.Execution]:
        asked.append(arguments)
        return []

    store = SimpleNamespace(get_executions_by_context=executions)
    TFX_QUERY(store, [metadata_store_pb2.Context(id=1), metadata_store_pb2.Context(id=2)])
    TFX_CACHED(SimpleNamespace(store=store), metadata_store_pb2.Context(id=3))
    assert asked == [(1,), (2,), (3,)], "each without a limit"
