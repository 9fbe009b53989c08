"""A node's connection to MLMD: one until the executor runs, one after it."""

from pathlib import Path

import pytest
from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto import metadata_store_pb2

from nightlite.runner.in_tfx.mlmd.store import open_store


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/mlmd.sqlite"


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Return every connection that is made from now on."""
    made: list[object] = []
    connect = metadata_store.MetadataStore.__init__

    def counted(self: object, *arguments: object, **named: object) -> None:
        made.append(self)
        connect(self, *arguments, **named)

    monkeypatch.setattr(metadata_store.MetadataStore, "__init__", counted)
    return made


def test_uses_share_a_connection_until_it_is_closed(url: str, connections: list[object]) -> None:
    store = open_store(url)
    for _ in range(3):
        with store, store as handle:  # as a resolver within a driver
            assert handle.store.get_context_types() is not None
            store.disconnect()  # it is used
    assert len(connections) == 1
    store.disconnect()
    with store:
        pass
    assert len(connections) == 2


def test_a_store_that_is_connected_but_not_used_lets_others_write_and_reads_what_they_wrote(url: str) -> None:
    ours, theirs = open_store(url), open_store(url)
    with ours as handle:
        assert handle.store.get_context_types() == []
    with theirs as handle:
        handle.store.put_context_type(metadata_store_pb2.ContextType(name="run"))
    with ours as handle:
        assert [item.name for item in handle.store.get_context_types()] == ["run"]


def test_outside_of_a_use_there_is_no_store(url: str) -> None:
    store = open_store(url)
    with store:
        pass
    with pytest.raises(RuntimeError, match="not in enter state"):
        _ = store.store
