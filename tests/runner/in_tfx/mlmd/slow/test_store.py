"""Metadata stores that are taken, and SQLite and MariaDB when several processes write at once."""

import multiprocessing
import os
import time
from pathlib import Path
from typing import Any

import pytest
from ml_metadata import errors
from ml_metadata.metadata_store import metadata_store
from ml_metadata.metadata_store.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2

from nightlite.runner.in_tfx.mlmd.store import connection_config, open_store
from tests.run_nodes import Deployment

READS = 20


def test_sqlite_makes_its_folder_and_lets_readers_in_while_one_writes(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "mlmd.sqlite"
    assert connection_config(f"sqlite:///{file}").sqlite.filename_uri == str(file)
    assert file.read_bytes()[18:20] == b"\x02\x02"  # sqlite.org/fileformat.html: 2 is WAL


def test_mysql_url_is_unquoted() -> None:
    mysql = connection_config("mysql://us%40er:p%2Fw@db.example:3307/mlmd").mysql
    assert (mysql.host, mysql.port, mysql.database) == ("db.example", 3307, "mlmd")
    assert (mysql.user, mysql.password) == ("us@er", "p/w")


def _forkserver() -> Any:
    """Return what forks processes from a server that has imported the store: an import takes 15 s of CPU."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([connection_config.__module__])
    return context


def _write_for_a_while(url: str, writer: int, seconds: float, acknowledged: Any) -> None:
    """Write as nodes do, with the store opened for each transaction. Return the acknowledged ones."""
    until, number = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        with open_store(url) as handle:
            [kind] = [item for item in handle.store.get_execution_types() if item.name == "Test"]
            execution = metadata_store_pb2.Execution(type_id=kind.id, name=f"{writer}-{number}")
            [execution.id] = handle.store.put_executions([execution])
        with open_store(url) as handle:
            execution.last_known_state = metadata_store_pb2.Execution.COMPLETE
            handle.store.put_executions([execution])
        number += 1
    acknowledged.put((writer, number))


def _hammer(url: str, writers: int = 4) -> None:
    """Write for a second; with NIGHTLITE_TEST_LONG for twenty."""
    with open_store(url) as handle:
        handle.store.put_execution_type(metadata_store_pb2.ExecutionType(name="Test"))
    apart = _forkserver()
    acknowledged = apart.Queue()
    seconds = 20.0 if os.environ.get("NIGHTLITE_TEST_LONG") else 1.0
    processes = [
        apart.Process(target=_write_for_a_while, args=(url, writer, seconds, acknowledged)) for writer in range(writers)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * writers
    written = dict(acknowledged.get(timeout=120) for _ in processes)
    print(f"acknowledged in {seconds:.0f} s: {written}")
    with open_store(url) as handle:
        executions = handle.store.get_executions()
    assert all(written.values())
    wanted = {f"{writer}-{number}" for writer, count in written.items() for number in range(count)}
    assert {execution.name for execution in executions} == wanted and len(executions) == len(wanted)
    assert {execution.last_known_state for execution in executions} == {metadata_store_pb2.Execution.COMPLETE}


def test_four_writers_at_once_lose_nothing_on_sqlite(tmp_path: Path) -> None:
    _hammer(f"sqlite:///{tmp_path / 'mlmd.sqlite'}")


def _take_turns(url: str, started: Any, events: Any) -> None:
    started.set()
    with open_store(url) as handle:
        events.put("second has it")
        handle.store.get_executions()


def test_processes_take_turns_with_one_sqlite_instead_of_colliding(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'mlmd.sqlite'}"
    apart = _forkserver()
    started, events = apart.Event(), apart.SimpleQueue()  # it puts in the order of the calls
    store = open_store(url)
    second = apart.Process(target=_take_turns, args=(url, started, events))
    with store, store:
        second.start()
        assert started.wait(300)
        store.store.put_execution_type(metadata_store_pb2.ExecutionType(name="Test"))
        events.put("first is done")
    second.join(300)
    assert second.exitcode == 0
    assert [events.get(), events.get()] == ["first is done", "second has it"]


def test_a_store_that_cannot_be_opened_keeps_no_one_waiting(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'mlmd.sqlite'}"
    connection_config(url)
    (tmp_path / "mlmd.sqlite").write_bytes(b"not a database at all" * 100)
    for _ in range(2):
        with pytest.raises(Exception, match="not a database"), open_store(url):
            pass


def test_four_writers_at_once_lose_nothing_on_mariadb(mariadb_url: str) -> None:
    _hammer(mariadb_url)


def test_a_read_that_a_deadlock_ended_is_tried_again_on_mariadb(
    mariadb_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = ["errno: Deadlock found when trying to get lock; try restarting transaction"]
    call = MetadataStore._pywrap_cc_call

    def fail_first(*arguments: Any) -> None:
        if failures:
            raise errors.InternalError(failures.pop())
        call(*arguments)

    monkeypatch.setattr(metadata_store.time, "sleep", lambda _: None)
    with open_store(mariadb_url) as handle:
        monkeypatch.setattr(MetadataStore, "_pywrap_cc_call", fail_first)
        assert isinstance(handle.store.get_executions(), list) and failures == []
        failures.append("the server has gone away")
        with pytest.raises(errors.InternalError, match="gone away"):
            handle.store.get_executions()


def _change(url: str, identity: int, over: Any) -> None:
    with open_store(url) as handle:
        [execution] = handle.store.get_executions_by_id([identity])
        while not over.is_set():
            execution.custom_properties["turn"].int_value += 1
            handle.store.put_executions([execution])


def test_what_changes_while_it_is_read_is_read_again_on_mariadb(mariadb_url: str) -> None:
    apart = _forkserver()
    over = apart.Event()
    with open_store(mariadb_url) as handle:
        kind = handle.store.put_execution_type(metadata_store_pb2.ExecutionType(name="Changing"))
        context = metadata_store_pb2.Context(
            type_id=handle.store.put_context_type(metadata_store_pb2.ContextType(name="Changing")), name="all"
        )
        execution = metadata_store_pb2.Execution(type_id=kind)
        identity, _, [context_id] = handle.store.put_execution(execution, [], [context])
        writer = apart.Process(target=_change, args=(mariadb_url, identity, over))
        writer.start()
        turns = set()
        try:
            while len(turns) < READS:
                assert writer.is_alive(), f"the writer ended: exit code {writer.exitcode}"
                [found] = handle.store.get_executions_by_context(context_id)
                turns.add(found.custom_properties["turn"].int_value)
        finally:
            over.set()
            writer.join()
    assert writer.exitcode == 0


def test_a_node_runs_on_mariadb(mariadb_url: str, deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(deployment.environment, "NIGHTLITE_METADATA_URL", mariadb_url)
    code, _, log = deployment.run("Echo", "on-mariadb")
    assert code == 0, log
    assert deployment.run("Echo", "on-mariadb-2")[1].state == "cached"
