"""Downloads, against a web server on this machine that misbehaves as told."""

import gzip
import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from tenacity import wait_none

from pipeline_lib.errors import DownloadError
from pipeline_lib.mnist import download
from pipeline_lib.mnist.dataset import Dataset
from pipeline_lib.mnist.download import RemoteFile, fetch
from pipeline_lib.mnist.sources import load

CONTENT = gzip.compress(np.random.default_rng(0).bytes(200_000))
FILE = RemoteFile("digits.gz", len(CONTENT), hashlib.sha256(CONTENT).hexdigest())


@dataclass
class Mirror:
    """What the server does under /<name>/, and the requests that it got there as (path, Range header)."""

    behaviour: str = "good"
    cut_after: int = 0
    content: bytes = CONTENT
    requests: list[tuple[str, str | None]] = field(default_factory=list)


class Web:
    def __init__(self, address: str) -> None:
        self.address = address
        self.mirrors: dict[str, Mirror] = {}

    def mirror(self, name: str, mirror: Mirror) -> str:
        self.mirrors[name] = mirror
        return f"{self.address}/{name}/"


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(download, "WAIT_BETWEEN_ATTEMPTS", wait_none())

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            _, name, file = self.path.split("/", 2)
            mirror = server_web.mirrors[name]
            mirror.requests.append((file, self.headers["Range"]))
            _answer(self, mirror)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server_web = Web(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server_web
    server.shutdown()
    thread.join()
    server.server_close()


def _answer(handler: BaseHTTPRequestHandler, mirror: Mirror) -> None:
    asked = handler.headers["Range"]
    start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and mirror.behaviour != "no range" else 0
    if handler.headers["Accept-Encoding"] != "identity":
        return _send(handler, 406, {}, b"")
    if mirror.behaviour.isdigit():
        return _send(handler, int(mirror.behaviour), {}, b"")
    if mirror.behaviour == "redirect to HTML":
        return _send(handler, 302, {"Location": "/login/page"}, b"")
    if mirror.behaviour == "HTML":
        return _send(handler, 200, {"Content-Type": "text/html; charset=utf-8"}, b"<html>Log in</html>")
    if mirror.behaviour == "HTML in disguise":
        return _send(handler, 200, {"Content-Type": "application/gzip"}, b"<html>Log in</html>")
    if mirror.behaviour == "wrong part":
        return _send(handler, 206, {"Content-Range": f"bytes 0-9/{len(CONTENT)}"}, CONTENT[:10])
    body = mirror.content[start:]
    headers = {"Content-Length": str(len(body)), "Content-Encoding": "gzip"}
    if start:
        headers["Content-Range"] = f"bytes {start}-{len(mirror.content) - 1}/{len(mirror.content)}"
    if mirror.cut_after:
        body = body[: mirror.cut_after]
    return _send(handler, 206 if start else 200, headers, body)


def _send(handler: BaseHTTPRequestHandler, status: int, headers: dict[str, str], body: bytes) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)


def test_cache_hit_makes_no_request(web: Web, tmp_path: Path) -> None:
    mirror = Mirror()
    for _ in range(2):
        fetch([FILE], tmp_path, [web.mirror("a", mirror)])
    assert (tmp_path / FILE.name).read_bytes() == CONTENT
    assert mirror.requests == [("digits.gz", None)]
    assert [path.name for path in tmp_path.iterdir()] == ["digits.gz"]


def test_damaged_cache_is_fetched_again(web: Web, tmp_path: Path) -> None:
    (tmp_path / FILE.name).write_bytes(CONTENT[:-1] + b"?")
    fetch([FILE], tmp_path, [web.mirror("a", Mirror())])
    assert (tmp_path / FILE.name).read_bytes() == CONTENT


def test_cut_connection_is_resumed(web: Web, tmp_path: Path) -> None:
    mirror = Mirror(cut_after=80_000)
    fetch([FILE], tmp_path, [web.mirror("a", mirror)])
    assert (tmp_path / FILE.name).read_bytes() == CONTENT
    assert [asked for _, asked in mirror.requests] == [None, "bytes=80000-", "bytes=160000-"]


def test_begun_at_one_mirror_finished_at_the_next(web: Web, tmp_path: Path) -> None:
    first, second = Mirror(cut_after=1_000), Mirror()
    fetch([FILE], tmp_path, [web.mirror("a", first), web.mirror("b", second)])
    assert (tmp_path / FILE.name).read_bytes() == CONTENT
    assert len(first.requests) == download.ATTEMPTS_PER_MIRROR
    assert second.requests == [("digits.gz", "bytes=4000-")]


def test_interrupted_download_goes_on_next_time(web: Web, tmp_path: Path) -> None:
    with pytest.raises(DownloadError):
        fetch([FILE], tmp_path, [web.mirror("a", Mirror(cut_after=1_000))])
    assert not (tmp_path / FILE.name).exists()
    mirror = Mirror()
    fetch([FILE], tmp_path, [web.mirror("b", mirror)])
    assert mirror.requests == [("digits.gz", "bytes=4000-")]


def test_server_without_range_begins_anew(web: Web, tmp_path: Path) -> None:
    (tmp_path / "digits.gz.partial").write_bytes(CONTENT[:1_000])
    mirror = Mirror("no range")
    fetch([FILE], tmp_path, [web.mirror("a", mirror)])
    assert (tmp_path / FILE.name).read_bytes() == CONTENT
    assert mirror.requests == [("digits.gz", "bytes=1000-")]


@pytest.mark.parametrize("partial", [b"rubbish", CONTENT + b"too long", CONTENT[:-1] + b"?"])
def test_a_rotten_partial_file_is_dropped(web: Web, tmp_path: Path, partial: bytes) -> None:
    (tmp_path / "digits.gz.partial").write_bytes(partial)
    fetch([FILE], tmp_path, [web.mirror("a", Mirror())])
    assert (tmp_path / FILE.name).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("mirror", "message", "requests"),
    [
        (Mirror("403"), "403 Forbidden", 1),
        (Mirror("404"), "404 Not Found", 1),
        (Mirror("503"), "503 Service Unavailable", download.ATTEMPTS_PER_MIRROR),
        (Mirror("HTML"), "an HTML page from http://127.0.0.1", 1),
        (Mirror("HTML in disguise"), "expected a gzip file. Received: one that begins b'<html>Log in</ht", 1),
        (Mirror("redirect to HTML"), "an HTML page from http://127.0.0.1", 1),
        (Mirror("wrong part"), "another part of the file", 1),
        (Mirror(content=CONTENT[:-1] + b"?"), f"with sha256 {FILE.sha256}. Received: sha256 ", 1),
        (Mirror(content=CONTENT + b"?"), "Received: more", 1),
        (Mirror(content=b""), "Received: 0", download.ATTEMPTS_PER_MIRROR),
    ],
    ids=lambda value: value.behaviour if isinstance(value, Mirror) else None,
)
def test_refused(web: Web, tmp_path: Path, mirror: Mirror, message: str, requests: int) -> None:
    web.mirror("login", Mirror("HTML"))
    with pytest.raises(DownloadError) as error:
        fetch([FILE], tmp_path, [web.mirror("bad", mirror)])
    assert str(error.value).startswith("digits.gz: no mirror gave it whole")
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert len(mirror.requests) == requests
    assert list(tmp_path.iterdir()) == []


def test_mirrors_are_tried_in_order(web: Web, tmp_path: Path) -> None:
    bad, good, unused = Mirror("403"), Mirror(), Mirror()
    fetch([FILE], tmp_path, [web.mirror("a", bad), web.mirror("b", good), web.mirror("c", unused)])
    assert [len(mirror.requests) for mirror in (bad, good, unused)] == [1, 1, 0]


def test_each_mirror_is_named_where_all_fail(web: Web, tmp_path: Path) -> None:
    mirrors = [web.mirror("a", Mirror("403")), "http://127.0.0.1:1/", "ftp://nonsense/", "http://[bad/"]
    with pytest.raises(DownloadError) as error:
        fetch([FILE], tmp_path, mirrors)
    assert all(mirror in str(error.value) for mirror in mirrors)


def test_cache_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "cache").touch()
    with pytest.raises(DownloadError, match="cache: the public files could not be kept: File exists"):
        fetch([FILE], tmp_path / "cache", ["http://127.0.0.1:1/"])


def test_mirrors_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert download.mirrors_in_use() == download.MIRRORS
    monkeypatch.setenv("MNIST_LITE_MNIST_MIRRORS", " http://one/  http://two/ ")
    assert download.mirrors_in_use() == ("http://one/", "http://two/")


def test_mnist_source_reads_what_it_downloaded(
    web: Web, tmp_path: Path, idx_folder: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    contents = {path.name: path.read_bytes() for path in idx_folder.iterdir()}
    files = tuple(RemoteFile(name, len(data), hashlib.sha256(data).hexdigest()) for name, data in contents.items())
    assert {file.name for file in files} == {file.name for file in download.FILES}
    monkeypatch.setattr(download, "FILES", files)
    for file in files:
        fetch([file], tmp_path / "cache", [web.mirror(file.sha256, Mirror(content=contents[file.name]))])
    loaded = load("mnist", tmp_path / "cache", ())
    assert (loaded.source, loaded.train.sha256()) == ("mnist", dataset.train.sha256())
