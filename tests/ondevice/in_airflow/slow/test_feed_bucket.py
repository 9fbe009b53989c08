"""An upload by Airflow's Amazon provider to moto's server, which speaks S3 on 127.0.0.1.

Neither is in the locks: both are installed into an environment of the test's own.
"""

import http.client
import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from nightlite.ondevice.in_airflow.feed_upload import ALWAYS, FOREVER, SHORTLY
from nightlite.paths import PROJECT, SOURCES
from tests.ondevice.feed.made_feed import MadeFeed, signers
from tests.real_airflow import free_port
from tests.waiting import wait_until

PREFIX = "apps/models"


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of an environment's programs, made by uv out of its cache or from PyPI."""
    uv = shutil.which("uv") or str(PROJECT / ".venvs/tools/bin/uv")
    folder = tmp_path_factory.mktemp("s3") / "environment"
    packages = [f"{PROJECT}[airflow,s3]", "moto[s3,server]"]
    for command in (
        [uv, "venv", "--quiet", "--no-project", "--python", sys.executable, folder],
        [uv, "pip", "install", "--quiet", "--python", folder, "-c", PROJECT / "requirements.txt", *packages],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"NOT TESTED: the upload to a bucket. Its packages cannot be installed: {done.stderr[-500:]}")
    return folder / "bin"


@pytest.fixture(scope="module")
def moto(environment: Path) -> Iterator[int]:
    """Yield the port of an S3 with the bucket `phones`."""
    port = free_port()
    command = [environment / "moto_server", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            wait_until("moto", lambda: _is_there(port), seconds=120)
            httpx.put(f"http://127.0.0.1:{port}/phones").raise_for_status()
            yield port
        finally:
            server.terminate()


def _is_there(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/").is_success
    except httpx.TransportError:
        return False


class Way(http.server.ThreadingHTTPServer):
    """The way to the S3 server, which passes `puts` requests to write and then answers with `failure` (0: not)."""

    daemon_threads = True
    failure = 0
    puts = 10**6

    def __init__(self, moto: int):
        self.moto = moto
        self.counting = threading.Lock()
        super().__init__(("127.0.0.1", 0), _Hop)

    def lets_through(self, method: str) -> bool:
        with self.counting:
            if method == "PUT":
                self.puts -= 1
            return self.puts >= 0


class _Hop(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Way

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not self.server.lets_through(self.command):
            if self.server.failure:
                self.send_response(self.server.failure)
                self.send_header("Content-Length", "0")
                self.end_headers()
            self.close_connection = True
            return
        upstream = http.client.HTTPConnection("127.0.0.1", self.server.moto)
        upstream.request(self.command, self.path, body, dict(self.headers))
        answer = upstream.getresponse()
        content = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("connection", "date", "server", "transfer-encoding"):
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)
        upstream.close()

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _pass_on

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def way(moto: int) -> Iterator[Way]:
    with Way(moto) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(scope="module")
def feed(tmp_path_factory: pytest.TempPathFactory) -> MadeFeed:
    made = MadeFeed(tmp_path_factory.mktemp("state") / "tiny")
    made.release("one")
    made.publish()
    return made


class Uploader:
    """A running `upload_program`. Airflow and the provider are imported once."""

    def __init__(self, python: Path, feed: MadeFeed, way: Way, folder: Path, bucket: str) -> None:
        extra = {"endpoint_url": f"http://127.0.0.1:{way.server_port}", "region_name": "us-east-1"}
        connection = {"conn_type": "aws", "login": "a key", "password": "a secret", "extra": extra}
        env = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")} | {
            "AIRFLOW_HOME": str(folder),
            "AIRFLOW_CONN_OURS": json.dumps(connection),
            "PYTHONPATH": f"{SOURCES}:{PROJECT}",
            "AWS_MAX_ATTEMPTS": "2",
            "NO_PROXY": "127.0.0.1",
        }
        module = "tests.ondevice.in_airflow.slow.upload_program"
        command = [python, "-m", module, feed.folder, f"s3://ours@{bucket}/{PREFIX}", "tiny"]
        self._process = subprocess.Popen(
            command, env=env, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )

    def __call__(self) -> dict[str, Any]:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write("again\n")
        self._process.stdin.flush()
        while not (line := self._process.stdout.readline()).startswith("{"):
            assert line, f"it ended with exit code {self._process.wait()}"
        return dict(json.loads(line))

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


@pytest.fixture(scope="module")
def upload(environment: Path, feed: MadeFeed, way: Way, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Uploader]:
    uploader = Uploader(environment / "python", feed, way, tmp_path_factory.mktemp("home"), "phones")
    yield uploader
    uploader.close()


def asked(moto: int, name: str) -> httpx.Response:
    """Return what a phone is answered where a policy lets everyone read."""
    as_owner = {"Authorization": "AWS4-HMAC-SHA256 Credential=a/20260930/us-east-1/s3/aws4_request"}
    return httpx.get(f"http://127.0.0.1:{moto}/phones/{PREFIX}/tiny/{name}", headers=as_owner)


def version(feed: MadeFeed, moto: int) -> int:
    """Return the newest version that a phone finds in the bucket, signed and whole."""
    content, signatures = (asked(moto, f"stable/{name}") for name in ("latest.json", "latest.json.sig"))
    assert signers(content.content, signatures.text, feed.keys.known()) == {feed.keys.current}
    offer = content.json()["offers"][0]
    assert len(asked(moto, offer["url"]).content) == offer["size"]
    return int(offer["version"])


def test_a_feed_is_in_the_bucket_and_caches_are_told(upload: Uploader, feed: MadeFeed, moto: int) -> None:
    assert "error" not in (said := upload()), said
    assert version(feed, moto) == 1
    document, model = asked(moto, "stable/latest.json"), asked(moto, feed.document()["offers"][0]["url"])
    assert (document.headers["Cache-Control"], document.headers["Content-Type"]) == (SHORTLY, "application/json")
    assert model.headers["Cache-Control"] == FOREVER
    assert asked(moto, "stable/latest.json.sig").headers["Cache-Control"] == ALWAYS
    again = upload()
    assert again["kept"] == said["written"] + said["kept"] - again["written"] - 2 * 2


@pytest.mark.parametrize(("failure", "puts"), [(0, 0), (500, 1), (0, 5), (500, 6), (403, 4)])
def test_a_failed_upload_leaves_the_last_good_state_and_the_next_completes_it(
    upload: Uploader, feed: MadeFeed, way: Way, moto: int, failure: int, puts: int
) -> None:
    before = version(feed, moto)
    released = feed.release(f"after {puts} puts")
    feed.publish(released)
    way.failure, way.puts = failure, puts
    try:
        said = upload()
    finally:
        way.puts = 10**6
    assert said["error"].startswith(f"expected to upload the feed of tiny to s3://ours@phones/{PREFIX}. Received: ")
    assert "\n" not in said["error"] and "Phones go on with the state before it" in said["error"]
    assert version(feed, moto) in (before, released)
    assert "error" not in (said := upload()), said
    assert version(feed, moto) == released


def test_a_bucket_that_is_not_there_is_one_sentence(
    environment: Path, feed: MadeFeed, way: Way, tmp_path: Path
) -> None:
    uploader = Uploader(environment / "python", feed, way, tmp_path, "no-such-bucket")
    try:
        said = uploader()["error"]
    finally:
        uploader.close()
    assert "s3://ours@no-such-bucket/" in said and "bucket does not exist" in said and "\n" not in said
