"""Telling Airflow of a span: once, and never a failure. A stand-in plays Airflow; the real one is in end_to_end."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from models.mnist.on_device import MODEL
from nightlite.deployment.client import asset_event
from nightlite.deployment.client.asset_event import tell_of
from nightlite.deployment.client.rest import AirflowRest
from nightlite.deployment.settings import Settings
from nightlite.ondevice.spans import Manifest, Span, SplitManifest
from tests.receivers import refusing_port


class Airflow:
    """Knows one user and the asset `mnist_data`, beside another whose name begins like it."""

    def __init__(self) -> None:
        self.events: list[dict[str, object]] = []
        self.assets = [{"id": 3, "name": "mnist_data_old"}, {"id": 7, "name": "mnist_data"}]
        self.refusal: httpx.Response | None = None
        self.answer_of_events = 200

    def __call__(self, request: httpx.Request) -> httpx.Response:
        form = json.loads(request.content or b"null")
        if request.url.path == "/auth/token":
            known = form == {"username": "operator", "password": "secret"}
            return httpx.Response(201 if known else 401, json={"access_token": "a token"} if known else {})
        if request.method == "POST":
            if not self.refusal:
                assert (request.headers["Authorization"], form["asset_id"]) == ("Bearer a token", 7)
                self.events.append({**form["extra"], "from_rest_api": True})
            return self.refusal or httpx.Response(200, json={})
        if request.url.path.endswith("/assets/events"):
            assert request.url.params["asset_id"] == "7"
            return httpx.Response(self.answer_of_events, json={"asset_events": [{"extra": e} for e in self.events]})
        return httpx.Response(200, json={"assets": self.assets})


@pytest.fixture
def airflow(monkeypatch: pytest.MonkeyPatch) -> Airflow:
    server = Airflow()
    monkeypatch.setattr(asset_event, "AirflowRest", lambda access: AirflowRest(access, httpx.MockTransport(server)))
    monkeypatch.setenv("NIGHTLITE_URL", "http://127.0.0.1:8080")
    monkeypatch.setenv("NIGHTLITE_USER", "operator")
    monkeypatch.setenv("NIGHTLITE_PASSWORD", "secret")
    return server


@pytest.fixture
def span(tmp_path: Path) -> Span:
    split = SplitManifest(examples=5, per_class=(5,), content_sha256="ab", shards={})
    manifest = Manifest(source="test", created=datetime.now(UTC), splits={"train": split})
    return Span(4, tmp_path / "span-4", manifest, created=True)


def test_it_is_told_once(airflow: Airflow, span: Span, tmp_path: Path) -> None:
    config = Settings(var_dir=tmp_path)
    assert tell_of(span, MODEL, config).endswith("was notified of span-4")
    assert tell_of(span, MODEL, config).endswith("knows of span-4 already")
    [event] = airflow.events
    assert (event["span"], event["examples"]) == (4, {"train": 5})
    assert event["sha256"] == span.manifest.summary()["sha256"]


def test_it_is_told_where_airflow_cannot_say_what_it_knows(airflow: Airflow, span: Span, tmp_path: Path) -> None:
    """That is while a run that an event has caused is queued."""
    config = Settings(var_dir=tmp_path)
    airflow.answer_of_events = 500
    assert tell_of(span, MODEL, config).endswith("was notified of span-4")
    assert [event["span"] for event in airflow.events] == [4]
    airflow.answer_of_events = 403
    assert "refused GET /api/v2/assets/events (403" in tell_of(span, MODEL, config)
    assert len(airflow.events) == 1


def test_where_it_cannot_be_told_that_is_a_sentence_with_no_secret_in_it(
    airflow: Airflow, span: Span, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = Settings(var_dir=tmp_path)
    said = {}
    airflow.refusal = httpx.Response(403, json={"detail": "Forbidden"})
    said["refused POST /api/v2/assets/events (403): Forbidden"] = tell_of(span, MODEL, config)
    airflow.assets = []
    said["has no Asset mnist_data"] = tell_of(span, MODEL, config)
    airflow.assets = [{"wrong": "shape"}]
    said["Airflow 3's REST API"] = tell_of(span, MODEL, config)
    monkeypatch.setenv("NIGHTLITE_PASSWORD", "secret too")
    said["refused to log 'operator' in (401"] = tell_of(span, MODEL, config)
    monkeypatch.delenv("NIGHTLITE_PASSWORD")
    said["expected NIGHTLITE_PASSWORD"] = tell_of(span, MODEL, config)
    monkeypatch.delenv("NIGHTLITE_URL")
    said["no local Airflow ('make up') and NIGHTLITE_URL is not set"] = tell_of(span, MODEL, config)
    monkeypatch.setenv("NIGHTLITE_URL", f"http://127.0.0.1:{refusing_port()}")
    monkeypatch.setenv("NIGHTLITE_TOKEN", "secret three")
    monkeypatch.setattr(asset_event, "AirflowRest", AirflowRest)
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.invalid")  # it would be another error
    said["/api/v2/. Received: [Errno 111] Connection refused"] = tell_of(span, MODEL, config)
    for expected, sentence in said.items():
        assert expected in sentence, said
        assert sentence.startswith("Airflow was not notified: ") and "secret" not in sentence and "\n" not in sentence
        assert not re.search(r"[.?!]\.", sentence)
        assert sentence.endswith("The next run reads span-4 anyway")
    assert airflow.events == []


def test_airflow_still_cannot_tell_of_an_event_whose_run_has_no_start() -> None:
    from airflow.api_fastapi.core_api.datamodels.assets import DagRunAssetReference

    assert DagRunAssetReference.model_fields["start_date"].annotation is datetime
