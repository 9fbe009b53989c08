"""Airflow notifiers for one notice: a mail, a webhook with a JSON body, Slack. Sent side by side, none for ever.

Each gets its secrets when it is made, in the process that sends, and keeps them off Airflow's database: as connections
that only the notifier itself knows.
"""

import contextlib
import hashlib
import hmac
import html
import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import httpx
from airflow.providers.slack.hooks.slack_webhook import SlackWebhookHook
from airflow.providers.slack.notifications.slack_webhook import SlackWebhookNotifier
from airflow.providers.smtp.hooks.smtp import SmtpHook
from airflow.providers.smtp.notifications.smtp import SmtpNotifier
from airflow.sdk import BaseNotifier, Connection, Context
from airflow.sdk.log import mask_secret

from pipeline_lib.airflow.notice_message import Notice
from pipeline_lib.errors import NoticeError, SettingsError
from pipeline_lib.notice_settings import PREFIX, NoticeSettings

SIGNATURE = "X-Mnist-Lite-Signature-256"


class WebhookNotifier(BaseNotifier):
    """POSTs a JSON body to an address.

    Args:
      url: http or https; redirects are not followed.
      body: JSON.
      secret: if given, the header `X-Mnist-Lite-Signature-256` is `sha256=` and the body's HMAC-SHA256 in hex.
      timeout_seconds: of connecting, and of each read and write.
    """

    def __init__(self, url: str, body: str, secret: str | None = None, timeout_seconds: float = 20) -> None:
        super().__init__()
        self.url, self.body, self.secret, self.timeout_seconds = url, body.encode(), secret, timeout_seconds

    def notify(self, context: Context) -> None:
        """Raises NoticeError where it was not received. It names the host alone: the rest may be secret."""
        headers = {"Content-Type": "application/json", "User-Agent": "mnist-lite"}
        if self.secret:
            headers[SIGNATURE] = f"sha256={hmac.new(self.secret.encode(), self.body, hashlib.sha256).hexdigest()}"
        host = urlsplit(self.url).hostname
        try:
            answer = httpx.post(self.url, content=self.body, headers=headers, timeout=self.timeout_seconds)
        except httpx.HTTPError as error:
            raise NoticeError(f"expected {host} to answer. Received: {type(error).__name__}, {error}") from None
        if not answer.is_success:
            raise NoticeError(f"expected {host} to answer with 2xx. Received: {answer.status_code}")


class _OwnSmtpHook(SmtpHook):
    def __init__(self, connection: Connection) -> None:
        super().__init__(smtp_conn_id=connection.conn_id)
        self._own = connection

    def get_connection(self, conn_id: str) -> Connection:  # type: ignore[override]
        return self._own


class _OwnSlackHook(SlackWebhookHook):
    def __init__(self, connection: Connection, **kwargs: Any) -> None:
        super().__init__(slack_webhook_conn_id=connection.conn_id, **kwargs)
        self._own = connection

    def get_connection(self, conn_id: str) -> Connection:  # type: ignore[override]
        return self._own


class _Mail(SmtpNotifier):
    """Airflow's own, with the connection that our settings describe."""

    def __init__(self, connection: Connection, **kwargs: Any) -> None:
        super().__init__(smtp_conn_id=connection.conn_id, **kwargs)
        self._connection = connection

    @cached_property
    def hook(self) -> SmtpHook:
        return _OwnSmtpHook(self._connection)


class _Slack(SlackWebhookNotifier):
    """Airflow's own, with the address that our settings give."""

    def __init__(self, connection: Connection, **kwargs: Any) -> None:
        super().__init__(slack_webhook_conn_id=connection.conn_id, **kwargs)
        self._connection = connection

    @cached_property
    def hook(self) -> SlackWebhookHook:
        return _OwnSlackHook(self._connection, timeout=self.timeout)


def _mail(settings: NoticeSettings, notice: Notice) -> BaseNotifier:
    message: dict[str, Any] = {
        "to": list(settings.email),
        "subject": notice.subject,
        "html_content": notice.html(),
    }
    if settings.smtp_connection:
        return SmtpNotifier(smtp_conn_id=settings.smtp_connection, from_email=settings.smtp_from, **message)
    extra = {
        "disable_tls": settings.smtp_tls != "starttls",
        "disable_ssl": settings.smtp_tls != "ssl",
        "timeout": max(1, round(settings.timeout_seconds)),
        # Whoever gets a mail twice can tell; a server that hangs up again and again is not worth five tries.
        "retry_limit": 1,
    }
    connection = Connection(
        conn_id="mnist_lite_smtp",
        conn_type="smtp",
        host=settings.smtp_host,
        port=settings.smtp_port,
        login=settings.smtp_user,
        password=settings.secret("smtp_password"),
        extra=json.dumps(extra),
    )
    return _Mail(connection, from_email=settings.smtp_from, **message)


def _webhook(settings: NoticeSettings, notice: Notice) -> BaseNotifier:
    assert settings.webhook
    body, secret = notice.model_dump_json(), settings.secret("webhook_secret")
    return WebhookNotifier(settings.webhook.get_secret_value(), body, secret, settings.timeout_seconds)


def _slack(settings: NoticeSettings, notice: Notice) -> BaseNotifier:
    connection = Connection(conn_id="mnist_lite_slack", conn_type="slackwebhook", password=settings.secret("slack"))
    text = html.escape(notice.text(), quote=False)  # as Slack wants it: & < >
    return _Slack(connection, text=text, unfurl_links=False, timeout=max(1, round(settings.timeout_seconds)))


_Maker = Callable[[NoticeSettings, Notice], BaseNotifier]


def send(settings: NoticeSettings, notice: Notice) -> dict[str, str | None]:
    """Send a notice to everybody whom the settings name, side by side: nobody waits for another one's server.

    Returns:
      By "mail", "webhook" and "Slack": None where it was sent, else why it was not, without secrets. Whoever takes
      longer than `timeout_seconds` in all is given up.
    """
    secrets = _mask(settings)
    outcomes: dict[str, str | None] = {}
    threads: dict[str, threading.Thread] = {}
    for name, make in _wanted(settings):
        # Daemons: an abandoned one must not keep the task's process from ending.
        threads[name] = threading.Thread(target=_send, args=(name, make, settings, notice, outcomes), daemon=True)
        threads[name].start()
    deadline = time.monotonic() + settings.timeout_seconds
    for thread in threads.values():
        thread.join(max(0.0, deadline - time.monotonic()))
    gave_up = f"no answer within {settings.timeout_seconds:g} s ({PREFIX}TIMEOUT_SECONDS)"
    return {name: _redacted(outcomes.get(name, gave_up), secrets) for name in threads}


def _wanted(settings: NoticeSettings) -> Iterator[tuple[str, _Maker]]:
    if settings.email:
        yield "mail", _mail
    if settings.webhook:
        yield "webhook", _webhook
    if settings.slack or settings.slack_file:
        yield "Slack", _slack


def _send(
    name: str, make: _Maker, settings: NoticeSettings, notice: Notice, outcomes: MutableMapping[str, str | None]
) -> None:
    try:
        # Not the notifier's __call__, which would render what it was given as a template: a reason is no template.
        make(settings, notice).notify({})
    except Exception as error:
        outcomes[name] = f"{type(error).__name__}: {error}"
    else:
        outcomes[name] = None


def _mask(settings: NoticeSettings) -> list[str]:
    """Tell Airflow's log of the secrets, for whatever may log them. What cannot be read fails later, one by one."""
    secrets = [settings.webhook.get_secret_value()] if settings.webhook else []
    for name in ("smtp_password", "webhook_secret", "slack"):
        with contextlib.suppress(SettingsError):
            secrets += filter(None, [settings.secret(name)])
    for secret in secrets:
        mask_secret(secret)
    return secrets


def _redacted(text: str | None, secrets: Iterable[str]) -> str | None:
    for secret in secrets:
        text = text and text.replace(secret, "***")
    return text
