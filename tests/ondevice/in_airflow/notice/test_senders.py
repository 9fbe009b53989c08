"""Notices to real SMTP and HTTP servers on 127.0.0.1: what arrives, and what becomes of broken ones."""

import asyncio
import hashlib
import hmac
import logging

import pytest
from airflow.sdk._shared.secrets_masker import redact
from airflow.sdk.definitions.callback import AsyncCallback

from nightlite.errors import SettingsError
from nightlite.ondevice.in_airflow.notice import task as notices
from nightlite.ondevice.in_airflow.notice.message import FileMetrics, Notice, Reason
from nightlite.ondevice.in_airflow.notice.senders import SIGNATURE, send
from nightlite.ondevice.in_airflow.notice.settings import NoticeSettings, notice_settings
from tests.receivers import http_server, mail_server, refusing_port, silent_server

# What comes from outside may look like markup, like a template, like a second header.
ODD = "a <b>bold</b> & {{ 1 + 1 }}\nBcc: everybody@example.com"
NOTICE = Notice(
    event="refused",
    pipeline="mnist_tflite",
    run_id="manual__1",
    headline=ODD,
    reasons=(Reason(text=ODD), Reason(text="accuracy: 0.9")),
    model=FileMetrics(accuracy=0.98765, size_bytes=214476, latency_ms=0.0512),
    last_release=FileMetrics(accuracy=0.99),
    run_url="http://airflow/dags/mnist_tflite/runs/manual__1",
    report_url="http://airflow/report",
)
PASSWORD, SECRET = "mail-password", "hook-secret"
pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")


@pytest.fixture
def settings(monkeypatch):
    """Return settings as the environment gives them."""

    def make(**values: object) -> NoticeSettings:
        for name, value in values.items():
            monkeypatch.setenv(f"NIGHTLITE_NOTIFY_{name.upper()}", str(value))
        return notice_settings()

    return make


def mail(port: int, password: str = PASSWORD) -> str:
    return f"mailto://mailer:{password}@127.0.0.1:{port}/a@example.com/b@example.com?from=ci@example.com"


def test_everybody_who_is_named_is_told(settings, tmp_path, monkeypatch):
    with mail_server(password=PASSWORD) as box, http_server() as hook:
        monkeypatch.setattr("apprise.plugins.slack.NotifySlack.webhook_url", hook.url)
        slack = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"
        (tmp_path / "urls").write_text(f"{mail(box.port)}\n{slack}\n")
        named = settings(urls_file=tmp_path / "urls", webhook=f"{hook.url}/in", webhook_secret=SECRET)
        address = f"address 1 (mailto://mailer:****@127.0.0.1:{box.port})"
        assert send(named, NOTICE) == {address: None, "address 2 (slack://T...2)": None, "webhook": None}
    posts = {path: (headers, body) for path, headers, body in hook.posts}
    headers, body = posts["/in"]
    assert Notice.model_validate_json(body) == NOTICE
    assert headers[SIGNATURE.lower()] == f"sha256={hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()}"
    assert headers["content-type"] == "application/json"
    assert {letter["To"] for letter in box.mails} == {"a@example.com", "b@example.com"}
    for letter in box.mails:
        assert letter["Subject"] == "mnist_tflite refused: a <b>bold</b> & {{ 1 + 1 }} Bcc: everybody@example.com"
        assert (letter["From"], letter["Bcc"]) == ("ci@example.com", None)
        shown = letter.get_body(("html",)).get_content().replace("&nbsp;", " ")
        assert "a &lt;b&gt;bold&lt;/b&gt; &amp; {{ 1 + 1 }}" in shown and "<b>bold</b>" not in shown
        for figure in ("98.77 %", "99.00 %", "214,476 bytes", "0.0512 ms", "http://airflow/report"):
            assert figure in shown
    told = posts["/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"][1].decode()
    assert "&lt;b&gt;" in told and "{{ 1 + 1 }}" in told and "accuracy: 98.77 % (last release 99.00 %)" in told


BROKEN = ["refusing", "answering 500", "silent", "wrong password", "unknown scheme", "program", "no addresses' file"]


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_one_keeps_no_one_else_from_being_told(settings, broken, caplog):
    caplog.set_level(logging.DEBUG)
    with http_server() as hook, http_server(500) as bad, silent_server() as silent, mail_server() as box:
        refusing, well = refusing_port(), mail(box.port)
        values, name, why = {
            "refusing": ({"urls": mail(refusing, "my-token")}, f"mailto://mailer:****@127.0.0.1:{refusing}", "refused"),
            "answering 500": ({"urls": f"json{bad.url[4:]}/my-token?-k=my-token"}, f"json{bad.url[4:]}", "500"),
            "silent": ({"urls": f"{mail(silent, 'my-token')}&cto=1"}, f":****@127.0.0.1:{silent}", "timed out"),
            "wrong password": ({"urls": mail(box.port, "my-token")}, f":****@127.0.0.1:{box.port}", "535"),
            "unknown scheme": ({"urls": "slak://T0/my-token"}, "address 1 (slak://***)", "Unparseable URL"),
            "program": ({"webhook": f"{bad.url}/?token=my-token"}, "webhook", "500"),
            "no addresses' file": ({"urls_file": "/no/file"}, "addresses", "URLS_FILE: expected a file"),
        }[broken]
        if "urls_file" not in values:
            values["urls"] = f"{values.get('urls', '')} {well}".strip()
        outcomes = send(settings(**{"webhook": hook.url, **values}), NOTICE)
        [(failed, failure)] = [(failed, failure) for failed, failure in outcomes.items() if failure]
        assert name in failed and why in failure
        assert len(outcomes) - 1 == len(hook.posts) + len(box.mails) / 2 > 0
    # apprise's own log, which pytest listens to nevertheless, goes nowhere.
    assert not logging.getLogger("apprise").propagate
    logged = [redact(record.getMessage()) for record in caplog.records if record.name != "apprise"]
    assert "my-token" not in str([outcomes, logged]) and PASSWORD not in str([outcomes, logged])


def test_no_one_is_notified_without_a_recipient(monkeypatch):
    assert not notice_settings().tells("failed")
    monkeypatch.setenv("NIGHTLITE_NOTIFY_WEBHOOK", "https://example.com/hook")
    events = ("pushed", "refused", "nothing_new", "failed", "late")
    assert [event for event in events if not notice_settings().tells(event)] == ["nothing_new"]
    monkeypatch.setenv("NIGHTLITE_NOTIFY_ON", "nothing_new, pushed")
    assert [event for event in events if notice_settings().tells(event)] == ["pushed", "nothing_new"]
    monkeypatch.setenv("NIGHTLITE_NOTIFY_ON", "")
    assert notice_settings().tells("failed")
    assert notice_settings().after_runs
    monkeypatch.setenv("NIGHTLITE_NOTIFY_ON", "late")
    assert not notice_settings().after_runs


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"on": "pushed,pusht"}, "NIGHTLITE_NOTIFY_ON: entry 2: expected 'pushed'"),
        ({"urls": "hooks/secret-path"}, "NIGHTLITE_NOTIFY_URLS: expected addresses"),
        ({"webhook": "hooks/secret-path"}, "NIGHTLITE_NOTIFY_WEBHOOK: expected an address"),
    ],
)
def test_what_cannot_be_meant_is_refused_without_a_secret(settings, values, sentence):
    with pytest.raises(SettingsError) as error:
        settings(**values)
    assert sentence in str(error.value) and "secret-path" not in str(error.value)


def test_a_missed_deadline_is_told_from_what_airflow_gives_its_callback(settings):
    callback = notices.late_callback()
    assert callback == AsyncCallback("nightlite.ondevice.in_airflow.notice.task.tell_late") and not callback.kwargs
    run = {"dag_id": "mnist_tflite", "dag_run_id": "scheduled__1", "state": "running", "start_date": "02:00"}
    context = {"dag_run": run, "deadline": {"id": "1", "deadline_time": "05:00"}}
    assert asyncio.run(notices.tell_late(context=context)) == "no one is to be notified"
    with http_server() as hook:
        settings(webhook=hook.url)
        assert asyncio.run(notices.tell_late(context=context)) == "notified"
        hook.status = 503
        assert asyncio.run(notices.tell_late(context=context)) == "not notified: webhook"
    told = Notice.model_validate_json(hook.posts[0][2])
    assert (told.event, told.run_id) == ("late", "scheduled__1")
    assert told.headline == "not finished by 05:00: running since 02:00"
    assert told.run_url.endswith("/dags/mnist_tflite/runs/scheduled__1")
