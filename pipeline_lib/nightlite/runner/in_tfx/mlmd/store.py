"""Connection to MLMD's records: SQLite beside the artifacts, or MySQL/MariaDB by URL.

Upstream: none filed. For ml-metadata 1.21.
"""

import os
import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from ml_metadata import errors
from ml_metadata.proto import metadata_store_pb2
from tfx.orchestration import metadata

from nightlite import locks

# ml-metadata's own 5 tries are too few for concurrent writers or a busy server.
RETRIES = 30
_DEADLOCK = "Deadlock found when trying to get lock"


class TakingTurns(metadata.Metadata):
    """A store in one SQLite file, which one process at a time holds open.

    After a conflict of two writers, ml-metadata sleeps 2 s on average and retries. Waiting for the other's turn
    takes a few milliseconds.
    """

    def __init__(self, config: metadata_store_pb2.ConnectionConfig) -> None:
        super().__init__(config)
        # A separate file, because closing any descriptor of SQLite's file releases SQLite's own locks.
        self._lock_path = config.sqlite.filename_uri + ".lock"
        self._lock: int | None = None

    def __enter__(self) -> "TakingTurns":
        if self._lock is None:
            self._lock = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            locks.wait(self._lock)
        try:
            super().__enter__()
        except BaseException:
            self._let_go()
            raise
        return self

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        self._let_go()

    def _let_go(self) -> None:
        if self._users == 0 and self._lock is not None:
            os.close(self._lock)
            self._lock = None


class RetriedAfterDeadlocks(metadata.Metadata):
    """A store in MySQL or MariaDB, whose calls are retried after a deadlock.

    The server has rolled back the call's transaction. ml-metadata retries a write, but fails a read with InternalError.
    """

    def __enter__(self) -> "RetriedAfterDeadlocks":
        super().__enter__()
        if "_call_method" not in vars(self.store):
            self.store._call_method = partial(_abort_on_deadlock, self.store._call_method)
        return self


def _abort_on_deadlock(call: Callable[..., None], *request: Any) -> None:
    """Raise AbortedError, which ml-metadata retries, in place of its InternalError on a deadlock."""
    try:
        call(*request)
    except errors.InternalError as error:
        if _DEADLOCK not in str(error):
            raise
        raise errors.AbortedError(str(error)) from error


def open_store(url: str) -> metadata.Metadata:
    """Return the store at NIGHTLITE_METADATA_URL, for use in `with`.

    Raises:
      SettingsError: as `connection_config`.
    """
    config = connection_config(url)
    return TakingTurns(config) if config.HasField("sqlite") else RetriedAfterDeadlocks(config)


def connection_config(url: str) -> metadata_store_pb2.ConnectionConfig:
    """Return TFX's form of the setting NIGHTLITE_METADATA_URL.

    Args:
      url: `sqlite:////absolute/path` or `mysql://user:password@host[:port]/database` (MariaDB too).
    """
    parts = urlsplit(url)
    if parts.scheme.startswith("sqlite"):
        config = _sqlite(Path(parts.path.removeprefix("/") if parts.path.startswith("//") else parts.path))
    else:
        config = metadata_store_pb2.ConnectionConfig()
        _fill_mysql(config.mysql, url)
    config.retry_options.max_num_retries = RETRIES
    return config


def _sqlite(path: Path) -> metadata_store_pb2.ConnectionConfig:
    config = metadata_store_pb2.ConnectionConfig()
    config.sqlite.filename_uri = str(path)
    config.sqlite.connection_mode = metadata_store_pb2.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        # Kept in the file itself: readers no longer wait for the one writer.
        with sqlite3.connect(path) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
        connection.close()
    return config


def _fill_mysql(mysql: metadata_store_pb2.MySQLDatabaseConfig, url: str) -> None:
    parts = urlsplit(url)
    mysql.host, mysql.port, mysql.database = parts.hostname or "", parts.port or 3306, parts.path.strip("/")
    mysql.user, mysql.password = unquote(parts.username or ""), unquote(parts.password or "")
