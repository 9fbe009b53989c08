"""The lock of a folder: who can take it, and what a waiting process is told."""

import fcntl
import os
import stat
from pathlib import Path

import pytest

from nightlite import locks
from nightlite.locks import lock


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return calls that would wait for another process; they return as if it had just let go."""
    found: list[int] = []
    flock = fcntl.flock

    def at_once(descriptor: int, operation: int) -> None:
        if operation & fcntl.LOCK_NB:
            flock(descriptor, operation)
        else:
            found.append(descriptor)

    monkeypatch.setattr(locks.fcntl, "flock", at_once)
    return found


def test_someone_who_can_read_the_folder_keeps_no_one_waiting(tmp_path: Path, waits: list[int]) -> None:
    reader = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(reader, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with lock(tmp_path, waiting_for="another push"):
        assert stat.S_IMODE((tmp_path / locks.LOCK_FILE).stat().st_mode) == 0o600
    os.close(reader)
    assert waits == [] and list(tmp_path.iterdir()) == []


def test_a_group_that_may_write_to_the_folder_may_lock_it(tmp_path: Path) -> None:
    tmp_path.chmod(0o775)
    with lock(tmp_path, waiting_for="another push"):
        assert stat.S_IMODE((tmp_path / locks.LOCK_FILE).stat().st_mode) == 0o660


def test_who_waits_long_is_told_for_whom(
    tmp_path: Path, waits: list[int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(locks, "SILENT_SECONDS", 0)
    with lock(tmp_path, waiting_for="another push"):
        assert capsys.readouterr().err == ""
        with lock(tmp_path, waiting_for="another push"):
            pass
    assert len(waits) == 1
    told = capsys.readouterr().err
    assert f"Waiting for another push: pid {os.getpid()} on " in told
    assert f"holds {tmp_path / locks.LOCK_FILE}" in told


def test_a_lock_whose_last_holder_removed_its_file_is_taken_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opens, really_open = [], os.open

    def removed_meanwhile(path: Path, *how: int) -> int:
        opens.append(really_open(path, *how))
        if len(opens) == 1:
            path.unlink()
        return opens[-1]

    monkeypatch.setattr(os, "open", removed_meanwhile)
    with lock(tmp_path, waiting_for="another push"):
        assert len(opens) == 2 and locks.is_at(tmp_path / locks.LOCK_FILE, opens[1])
