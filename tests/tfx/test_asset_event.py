"""Telling Airflow of a span: once, and never a failure. A stand-in plays Airflow; the real one is in end_to_end."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import portpicker
import pytest

from pipeline_lib.client.asset_event import tell_of
from pipeline_lib.settings import Settings
from pipeline_lib.spans import Manifest, Span, SplitManifest


class Airflow(ThreadingHTTPServer):
    """Knows one user and the asset `mnist_data`, beside another whose name begins like it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.events: list[dict[str, object]] = []
        self.assets = [{"id": 3, "name": "mnist_data_old"}, {"id": 7, "name": "mnist_data"}]
        self.refusal: tuple[int, bytes] | None = None
        self.answer_of_events = 200


class _Handler(BaseHTTPRequestHandler):
    server: Airflow

    def do_GET(self) -> None:
        if self.path.startswith("/api/v2/assets/events?asset_id=7"):
            events = {"asset_events": [{"extra": event} for event in self.server.events]}
            code = self.server.answer_of_events
            self._answer(events if code == 200 else {"detail": "no"}, code)
        else:
            self._answer({"assets": self.server.assets})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/auth/token":
            known = body == {"username": "operator", "password": "secret"}
            self._answer({"access_token": "a token"} if known else {}, 201 if known else 401)
        elif self.server.refusal:
            self.send_response(self.server.refusal[0])
            self.end_headers()
            self.wfile.write(self.server.refusal[1])
        else:
            assert (self.headers["Authorization"], body["asset_id"]) == ("Bearer a token", 7)
            self.server.events.append({**body["extra"], "from_rest_api": True})
            self._answer({})

    def _answer(self, body: object, code: int = 200) -> None:
        self.send_response(code)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def airflow(monkeypatch: pytest.MonkeyPatch) -> Iterator[Airflow]:
    with Airflow() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("MNIST_LITE_URL", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("MNIST_LITE_USER", "operator")
        monkeypatch.setenv("MNIST_LITE_PASSWORD", "secret")
        for name in ("HTTP_PROXY", "http_proxy"):  # none leads back to this machine
            monkeypatch.setenv(name, "http://127.0.0.1:9")
        yield server
        server.shutdown()


@pytest.fixture
def span(tmp_path: Path) -> Span:
    split = SplitManifest(examples=5, per_class=(5,), content_sha256="ab", shards={})
    manifest = Manifest(source="test", created=datetime.now(UTC), splits={"train": split})
    return Span(4, tmp_path / "span-4", manifest, created=True)


def test_it_is_told_once(airflow: Airflow, span: Span, tmp_path: Path) -> None:
    config = Settings(var_dir=tmp_path)
    assert tell_of(span, config).endswith("was told of span-4")
    assert tell_of(span, config).endswith("knows of span-4 already")
    [event] = airflow.events
    assert (event["span"], event["examples"]) == (4, {"train": 5})
    assert event["sha256"] == span.manifest.facts()["sha256"]


def test_it_is_told_where_airflow_cannot_say_what_it_knows(airflow: Airflow, span: Span, tmp_path: Path) -> None:
    """Which is while a run that an event has caused is queued."""
    config = Settings(var_dir=tmp_path)
    airflow.answer_of_events = 500
    assert tell_of(span, config).endswith("was told of span-4")
    assert [event["span"] for event in airflow.events] == [4]
    airflow.answer_of_events = 403
    assert "refused GET /api/v2/assets/events (403" in tell_of(span, config)
    assert len(airflow.events) == 1


def test_where_it_cannot_be_told_that_is_a_sentence_with_no_secret_in_it(
    airflow: Airflow, span: Span, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = Settings(var_dir=tmp_path)
    said = {}
    airflow.refusal = (403, b'{"detail": "Forbidden"}')
    said["refused POST /api/v2/assets/events (403): Forbidden"] = tell_of(span, config)
    airflow.assets = []
    said["has no Asset mnist_data"] = tell_of(span, config)
    airflow.assets = [{"wrong": "shape"}]
    said["Airflow 3's REST API"] = tell_of(span, config)
    monkeypatch.setenv("MNIST_LITE_PASSWORD", "secret too")
    said["refused to log 'operator' in (401"] = tell_of(span, config)
    monkeypatch.delenv("MNIST_LITE_PASSWORD")
    said["expected MNIST_LITE_PASSWORD"] = tell_of(span, config)
    monkeypatch.delenv("MNIST_LITE_URL")
    said["no local Airflow ('make up') and MNIST_LITE_URL is not set"] = tell_of(span, config)
    monkeypatch.setenv("MNIST_LITE_URL", f"http://127.0.0.1:{portpicker.pick_unused_port()}")
    monkeypatch.setenv("MNIST_LITE_TOKEN", "secret three")
    said["expected Airflow to answer at http://127.0.0.1:"] = tell_of(span, config)
    for expected, sentence in said.items():
        assert expected in sentence, said
        assert sentence.startswith("Airflow was not told: ") and "secret" not in sentence and "\n" not in sentence
        assert sentence.endswith("The next run reads span-4 all the same")
    assert airflow.events == []
