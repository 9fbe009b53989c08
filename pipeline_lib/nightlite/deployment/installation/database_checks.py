"""Checks of both databases, Airflow's and ML Metadata's. Files are opened read-only."""

import contextlib
import os
import socket
import sqlite3
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from nightlite.deployment.installation.check import Check, failed, ok, warning
from nightlite.paths import HOW_TO_START

_SECONDS = 3
_MYSQL_PORT = 3306
_AIRFLOWS = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"


def airflow_database(home: Path) -> Check:
    """Check Airflow's database: the server that this process is told, else the local Airflow's file."""
    name = "Airflow's database"
    if (url := os.environ.get(_AIRFLOWS)) and not url.startswith("sqlite"):
        return _server(name, url)
    file = home / "airflow.db"
    if not file.exists():
        return warning(name, f"none at {file}", f"{HOW_TO_START} makes it")
    return _file(name, file, "SELECT version_num FROM alembic_version", "migration {}", "'make down', then 'make up'")


def mlmd_database(url: str) -> Check:
    """Check ML Metadata's database, whose file or server the address names."""
    name = "MLMD's database"
    parts = urlsplit(url)
    if parts.scheme != "sqlite":
        return _server(name, url)
    file = Path(parts.path.replace("//", "/", 1))
    if not file.exists():
        return warning(name, f"none at {file}", "the first run makes it")
    return _file(name, file, "SELECT schema_version FROM MLMDEnv", "schema {}", "restore it from a backup")


def _file(name: str, file: Path, query: str, version: str, to_do: str) -> Check:
    try:
        with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=_SECONDS)) as database:
            # Reads the list of tables and the free pages alone, a millisecond; integrity_check reads all of the file.
            database.execute("SELECT count(*) FROM sqlite_master").fetchone()
            found = database.execute(query).fetchone()
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            return warning(name, f"{file}: {error}", "ask again; it is written to at this moment")
        return failed(name, f"{file}: {error}", to_do)
    except sqlite3.DatabaseError as error:
        return failed(name, f"{file}: {error}", to_do)
    if found is None:
        return failed(name, f"{file}: no version in it", to_do)
    return ok(name, f"{file}, {version.format(found[0])}, {file.stat().st_size / 1e6:.1f} MB")


def _server(name: str, url: str) -> Check:
    """Check that a server answers. Its login is the nodes' affair: this process may lack the driver."""
    parts = urlsplit(url)
    place: Any = (parts.hostname or "", parts.port or (5432 if parts.scheme.startswith("postgres") else _MYSQL_PORT))
    try:
        with socket.create_connection(place, timeout=_SECONDS):
            return ok(name, f"{parts.scheme.partition('+')[0]} answers at {place[0]}:{place[1]}")
    except OSError as error:
        return failed(name, f"{place[0]}:{place[1]}: {error}", "start the server, or correct its address")
