"""Nodes that have succeeded in a run and run again in it."""

from types import SimpleNamespace

import pytest
from ml_metadata.proto import metadata_store_pb2
from tfx.orchestration.portable import launcher as tfx_launcher
from tfx.orchestration.portable.mlmd import execution_lib
from tfx.types import standard_artifacts

from nightlite.runner.in_tfx.mlmd import executions


@pytest.mark.parametrize(("ids", "had"), [((), True), ((3,), True), ((5,), False), ((3, 5), False)])
def test_an_execution_answers_only_for_the_inputs_that_it_had(ids: tuple[int, ...], had: bool) -> None:
    event = metadata_store_pb2.Event
    events = [event(artifact_id=3, type=event.INPUT), event(artifact_id=5, type=event.OUTPUT)]
    store = SimpleNamespace(get_events_by_execution_ids=lambda _: events)
    inputs = {"pushed_model": [standard_artifacts.PushedModel() for _ in ids]}
    for artifact, number in zip(inputs["pushed_model"], ids, strict=True):
        artifact.id = number
    assert executions.had_inputs(store, metadata_store_pb2.Execution(id=1), inputs) is had


def test_tfx_still_gives_a_retry_the_failed_execution(monkeypatch: pytest.MonkeyPatch) -> None:
    failed = metadata_store_pb2.Execution(id=7, last_known_state=metadata_store_pb2.Execution.FAILED)
    monkeypatch.setattr(execution_lib, "get_executions_associated_with_all_contexts", lambda *_: [failed])
    assert tfx_launcher.Launcher._register_or_reuse_execution(None, None, []) is failed
