"""Fixtures: a published and served feed, and a phone with each client."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ondevice.feed_client.phones import Asked, JavaPhone, Phone, PythonPhone, has_jdk, started_jvm
from tests.ondevice.feed_client.publisher import Publisher
from tests.ondevice.feed_client.server import Served, served


@pytest.fixture(scope="session")
def jvm(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[subprocess.Popen[str] | None]":
    """Yield the only JVM, or None where there is no JDK."""
    if not has_jdk():
        yield None
        return
    with started_jvm(tmp_path_factory.mktemp("classes")) as process:
        yield process
        assert process.stdin
        process.stdin.close()


@pytest.fixture(params=["python", "java"])
def phone(request: pytest.FixtureRequest, tmp_path: Path) -> Phone:
    if request.param == "python":
        return PythonPhone(tmp_path / "phone")
    process = request.getfixturevalue("jvm")
    if process is None:
        pytest.skip("no javac and java on this machine (Debian: apt-get install openjdk-17-jdk-headless)")
    return JavaPhone(tmp_path / "phone", process)


@pytest.fixture
def feed(tmp_path: Path) -> Publisher:
    """Return a feed with release 1, which multiplies by 2."""
    made = Publisher(tmp_path / "tiny")
    made.release_factor("2.00")
    made.publish()
    return made


@pytest.fixture
def server(feed: Publisher) -> Iterator[Served]:
    with served(feed.folder) as running:
        yield running


@pytest.fixture
def asked(feed: Publisher, server: Served) -> Asked:
    return Asked(server.url, feed.app_keys)
