"""Notices to real SMTP and HTTP servers on 127.0.0.1: what arrives, and what becomes of servers that are broken."""

import asyncio
import hashlib
import hmac
import json
import logging
import re

import pytest
from airflow.sdk.definitions.callback import AsyncCallback

from pipeline_lib.airflow import notice as notices
from pipeline_lib.airflow.notice_message import Figures, Notice, Reason
from pipeline_lib.airflow.notifiers import SIGNATURE, send
from pipeline_lib.errors import SettingsError
from pipeline_lib.notice_settings import NoticeSettings, notice_settings
from tests.airflow.receivers import http_server, mail_server, refusing_port, silent_server

# What comes from outside may look like markup, like a template, like a second header.
ODD = "a <b>bold</b> & {{ 1 + 1 }}\nBcc: everybody@example.com"
NOTICE = Notice(
    event="refused",
    pipeline="mnist_tflite",
    run_id="manual__1",
    verdict=ODD,
    reasons=(Reason(text=ODD), Reason(text="accuracy: 0.9")),
    model=Figures(accuracy=0.98765, size_bytes=214476, latency_ms=0.0512),
    last_release=Figures(accuracy=0.99),
    run_url="http://airflow/dags/mnist_tflite/runs/manual__1",
    report_url="http://airflow/report",
)
PASSWORD, SECRET = "mail-password", "hook-secret"
pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")


@pytest.fixture
def settings(monkeypatch):
    """Settings as the environment gives them."""

    def make(**values: object) -> NoticeSettings:
        for name, value in values.items():
            monkeypatch.setenv(f"MNIST_LITE_NOTIFY_{name.upper()}", str(value))
        return notice_settings()

    return make


def mail(port: int, **more: object) -> dict[str, object]:
    server = {"smtp_host": "127.0.0.1", "smtp_port": port, "smtp_tls": "none", "smtp_from": "ci@example.com"}
    return {"email": "a@example.com, b@example.com", **server, **more}


def test_everybody_who_is_named_is_told(settings, tmp_path):
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    with mail_server(password=PASSWORD) as box, http_server() as hook:
        login = {"smtp_user": box.user, "smtp_password_file": tmp_path / "password"}
        named = settings(
            **mail(box.port, **login), webhook=f"{hook.url}/in", webhook_secret=SECRET, slack=f"{hook.url}/T0/B0"
        )
        assert send(named, NOTICE) == {"mail": None, "webhook": None, "Slack": None}
    posts = {path: (headers, body) for path, headers, body in hook.posts}
    headers, body = posts["/in"]
    assert Notice.model_validate_json(body) == NOTICE
    assert headers[SIGNATURE.lower()] == f"sha256={hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()}"
    assert headers["content-type"] == "application/json"
    [letter] = box.mails
    assert letter["Subject"] == "mnist_tflite refused: a <b>bold</b> & {{ 1 + 1 }} Bcc: everybody@example.com"
    assert (letter["From"], letter["To"], letter["Bcc"]) == ("ci@example.com", "a@example.com, b@example.com", None)
    shown = letter.get_body(("html",)).get_content()
    assert "a &lt;b&gt;bold&lt;/b&gt; &amp; {{ 1 + 1 }}" in shown and "<b>bold</b>" not in shown
    for figure in ("98.77%", "99.00%", "214,476 bytes", "0.0512 ms", "http://airflow/report"):
        assert figure in shown
    slack = json.loads(posts["/T0/B0"][1])["text"]
    assert "&lt;b&gt;" in slack and "{{ 1 + 1 }}" in slack and "accuracy: 98.77% (last release 99.00%)" in slack


def test_a_mail_may_go_by_a_connection_that_airflow_keeps(settings, monkeypatch):
    with mail_server(password=PASSWORD) as box:
        server = {"host": "127.0.0.1", "port": box.port, "login": box.user, "password": PASSWORD}
        extra = {"from_email": "ops@example.com", "disable_ssl": True, "disable_tls": True}
        monkeypatch.setenv("AIRFLOW_CONN_OPS", json.dumps({"conn_type": "smtp", **server, "extra": extra}))
        assert send(settings(email="a@example.com", smtp_connection="ops"), NOTICE) == {"mail": None}
    assert [letter["From"] for letter in box.mails] == ["ops@example.com"]


@pytest.mark.parametrize("broken", ["refusing", "answering 500", "silent", "wrong password", "no password file"])
def test_a_broken_one_keeps_nobody_else_from_being_told(settings, broken, caplog):
    caplog.set_level(logging.DEBUG)
    with http_server() as hook, http_server(500) as bad, silent_server() as silent, mail_server() as box:
        login = {"smtp_user": "mailer", "smtp_password": PASSWORD}
        who, values, why = {
            "refusing": ("mail", mail(refusing_port()), "refused"),
            "answering 500": ("webhook", {"webhook": f"{bad.url}/?token=my-token"}, "500"),
            "silent": ("mail", mail(silent), "no answer within 3 s|timed out"),
            "wrong password": ("mail", mail(box.port, **login | {"smtp_password": "no-password"}), "535"),
            "no password file": ("mail", mail(box.port, smtp_user="a", smtp_password_file="/no/file"), "No such file"),
        }[broken]
        named = settings(
            **{"webhook": hook.url, "timeout_seconds": 3 if broken == "silent" else 60, **values},
            slack=f"{hook.url}/slack",
        )
        outcomes = send(named, NOTICE)
        assert re.search(why, outcomes.pop(who) or "")
        assert set(outcomes.values()) == {None}
        assert "/slack" in [path for path, *_ in hook.posts]
    assert "no-password" not in caplog.text and "my-token" not in caplog.text


def test_nobody_is_told_unless_somebody_is_named(monkeypatch):
    assert not notice_settings().tells("failed")
    monkeypatch.setenv("MNIST_LITE_NOTIFY_WEBHOOK", "https://example.com/hook")
    events = ("pushed", "refused", "nothing_new", "failed", "late")
    assert [event for event in events if not notice_settings().tells(event)] == ["nothing_new"]
    monkeypatch.setenv("MNIST_LITE_NOTIFY_ON", "nothing_new, pushed")
    assert [event for event in events if notice_settings().tells(event)] == ["pushed", "nothing_new"]
    monkeypatch.setenv("MNIST_LITE_NOTIFY_ON", "")
    assert notice_settings().tells("failed")
    assert notice_settings().after_runs
    monkeypatch.setenv("MNIST_LITE_NOTIFY_ON", "late")
    assert not notice_settings().after_runs


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"on": "pushed,pusht"}, "MNIST_LITE_NOTIFY_ON: Input should be 'pushed'"),
        ({"email": "a@example.com"}, "expected MNIST_LITE_NOTIFY_SMTP_HOST"),
        ({"email": "nobody", "smtp_connection": "smtp_default"}, "Received: 'nobody'"),
        ({"smtp_user": "a"}, "MNIST_LITE_NOTIFY_SMTP_PASSWORD"),
        ({"webhook": "hooks/secret-path"}, "MNIST_LITE_NOTIFY_WEBHOOK: expected an address"),
        ({"slack": "secret-path"}, "MNIST_LITE_NOTIFY_SLACK: expected an address"),
        ({"timeout_seconds": "soon"}, "Received: 'soon'"),
    ],
)
def test_what_cannot_be_meant_is_refused_without_a_secret(settings, values, sentence):
    with pytest.raises(SettingsError) as error:
        settings(**values)
    assert sentence in str(error.value) and "secret-path" not in str(error.value)


def test_a_missed_deadline_is_told_from_what_airflow_gives_its_callback(settings):
    callback = notices.late_callback()
    assert callback == AsyncCallback("pipeline_lib.airflow.notice.tell_late") and not callback.kwargs
    run = {"dag_id": "mnist_tflite", "dag_run_id": "scheduled__1", "state": "running", "start_date": "02:00"}
    context = {"dag_run": run, "deadline": {"id": "1", "deadline_time": "05:00"}}
    assert asyncio.run(notices.tell_late(context=context)) == "nobody is to be told"
    with http_server() as hook:
        settings(webhook=hook.url)
        assert asyncio.run(notices.tell_late(context=context)) == "told"
        hook.status = 503
        assert asyncio.run(notices.tell_late(context=context)) == "not told: webhook"
    told = Notice.model_validate_json(hook.posts[0][2])
    assert (told.event, told.run_id) == ("late", "scheduled__1")
    assert told.verdict == "not finished by 05:00: running since 02:00"
    assert told.run_url.endswith("/dags/mnist_tflite/runs/scheduled__1")
