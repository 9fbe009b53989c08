"""Processes that push, roll back and prune all at once, and readers that look all the while."""

import multiprocessing
import multiprocessing.synchronize
import time
from pathlib import Path

from nightlite.errors import ReleaseError
from nightlite.ondevice.releases.store import Releases
from tests.ondevice.releases.made_releases import describe, history

WRITERS, READERS, PUSHES = 3, 3, 40
Event = multiprocessing.synchronize.Event


def content(run_id: str) -> bytes:
    """Return what this run's model holds: a reader can tell from the manifest what the file must be."""
    return run_id.encode() * 20_000


def write(folder: Path, name: str) -> None:
    releases = Releases(folder)
    for number in range(PUSHES):
        run_id = f"{name}-{number}"
        model = folder.parent / run_id
        model.write_bytes(content(run_id))
        assert releases.push(model, describe(run_id), who=name).outcome == "released"
        if number % 5 == 4:
            releases.prune(2, who=name, why="keep 2")
            try:
                releases.rollback(releases.versions()[0], who=name, why="hammering")
            except ReleaseError as error:  # another writer was quicker
                assert "latest already" in str(error) or "expected one of the versions" in str(error), error


def read(folder: Path, over: Event, seen: "multiprocessing.Queue[int]") -> None:
    releases, versions = Releases(folder), set()
    while not over.is_set():
        if found := releases.latest_model():
            release, model = found
            assert model == content(release.manifest.run_id), f"{release} is of another run"
            versions.add(release.version)
    seen.put(len(versions))


def test_no_reader_ever_sees_a_partial_or_mismatched_release(tmp_path: Path) -> None:
    folder = tmp_path / "pushed"
    context = multiprocessing.get_context("spawn")
    over, seen = context.Event(), context.Queue()
    readers = [context.Process(target=read, args=(folder, over, seen), daemon=True) for _ in range(READERS)]
    writers = [context.Process(target=write, args=(folder, f"w{number}"), daemon=True) for number in range(WRITERS)]
    for process in (*readers, *writers):
        process.start()
    deadline = time.monotonic() + 300
    while any(writer.is_alive() for writer in writers) and all(reader.is_alive() for reader in readers):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    for writer in writers:
        writer.join(60)
    over.set()
    for reader in readers:
        reader.join(60)
    assert [process.exitcode for process in (*readers, *writers)] == [0] * (READERS + WRITERS)
    assert all(seen.get(timeout=10) > 1 for _ in readers), "the readers looked too late to see anything change"
    pushed = [version for action, version, _ in history(folder) if action == "push"]
    assert pushed == list(range(1, WRITERS * PUSHES + 1))
    Releases(folder).latest_model()
