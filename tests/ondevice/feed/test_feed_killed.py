"""A publication whose process is killed at each of its steps: what a phone finds, and what the next one makes of it."""

import itertools
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from nightlite.ondevice.feed import keys
from tests.ondevice.feed.made_feed import MadeFeed, signers
from tests.ondevice.feed.tuf_phone import tufs_versions

CHANNELS = ("beta", "stable")


@pytest.fixture
def feed(tmp_path: Path) -> MadeFeed:
    made = MadeFeed(tmp_path / "tiny", start=datetime.now(UTC))  # the clock that TUF's client has
    made.release("one")
    made.publish()
    made.release("two")
    return made


def killed_at(step: int, work: Callable[[], object]) -> bool:
    """Run `work` in a child that kills itself before its step of that number. Return whether it came to that.

    A step is a change of a folder: a file gets its name, or loses it.
    """
    if (child := os.fork()) == 0:
        steps = itertools.count()

        def counting(change: Callable[..., Any]) -> Callable[..., Any]:
            def counted(*arguments: Any, **options: Any) -> Any:
                if next(steps) == step:
                    os.kill(os.getpid(), signal.SIGKILL)
                return change(*arguments, **options)

            return counted

        try:
            for name in ("replace", "rename", "unlink", "mkdir"):
                setattr(Path, name, counting(getattr(Path, name)))
            work()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def versions(feed: MadeFeed) -> Iterator[int]:
    """Yield the version that a phone finds in each channel, signed and with its files; then TUF's."""
    trusted = keys.public_keys(feed.keys.app_keys.read_bytes())
    for channel in CHANNELS:
        assert signers(feed.content(channel), feed.signatures(channel), trusted) == {feed.keys.current}
        offer = feed.document(channel)["offers"][0]
        assert (feed.folder / offer["url"]).stat().st_size == offer["size"]
        yield offer["version"]
    if (feed.folder / "tuf" / "timestamp.json").exists():
        yield from tufs_versions(feed.folder, feed.keys.roots()[1])


def test_a_kill_leaves_the_old_or_the_new_state_and_the_next_publication_completes_it(
    feed: MadeFeed, tmp_path: Path
) -> None:
    before = tmp_path / "before"
    shutil.copytree(feed.folder, before)
    for step in itertools.count():
        # Thirty days later, so that the old release's files are removed, too.
        was_killed = killed_at(step, lambda: feed.publish(30))
        found = set(versions(feed))
        assert found <= {1, 2}
        if not was_killed:
            break
        feed.publish(31)
        assert set(versions(feed)) == {2}, f"killed at step {step}"
        assert not list(feed.folder.rglob(".unfinished-*"))
        shutil.rmtree(feed.folder)
        shutil.copytree(before, feed.folder)
    assert found == {2}
    assert step > 10


def test_a_kill_of_the_first_publication_leaves_nothing_or_a_whole_feed(feed: MadeFeed) -> None:
    for step in itertools.count():
        shutil.rmtree(feed.folder)
        was_killed = killed_at(step, lambda: feed.publish(0))
        for channel in CHANNELS:
            if (feed.folder / channel / "latest.json").exists():
                trusted = keys.public_keys(feed.keys.app_keys.read_bytes())
                assert signers(feed.content(channel), feed.signatures(channel), trusted)
        if not was_killed:
            break
        feed.publish(0)
        assert set(versions(feed)) == {2}, f"killed at step {step}"
    assert step > 10


def test_a_kill_of_a_rotation_leaves_keys_that_apps_know(tmp_path: Path) -> None:
    """An app has two keys. Whatever a killed rotation leaves signs by one of them, and it can be repeated."""
    for step in itertools.count():
        feed = MadeFeed(tmp_path / f"{step}" / "tiny")
        feed.release("one")
        feed.publish()
        shipped = keys.public_keys(feed.keys.app_keys.read_bytes())
        folder = feed.settings.feed_keys_dir
        was_killed = killed_at(step, lambda folder=folder: keys.rotate(folder))  # type: ignore[misc]
        feed.publish(1)
        assert signers(feed.content(), feed.signatures(), shipped)
        # As `nightlite feed keys` does, which an app's author runs to see them.
        made = keys.make(folder)
        assert keys.public_keys(made.app_keys.read_bytes()).keys() == {made.current, made.next}
        if not was_killed:
            break
    assert step > 3
