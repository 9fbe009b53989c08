"""Sends one notice: to people by apprise, to a program by a signed POST. Side by side, and nobody waits forever.

Addresses and secrets are read in the process that sends. No DAG holds them, nor does Airflow's database.
"""

import contextlib
import hashlib
import hmac
import logging
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from urllib.parse import unquote, urlsplit

import httpx
from airflow.sdk.log import mask_secret
from apprise import Apprise, AppriseAsset, NotifyFormat
from apprise.utils.parse import parse_urls

from pipeline_lib.airflow.notice_message import Notice
from pipeline_lib.errors import NoticeError, SettingsError
from pipeline_lib.notice_settings import NoticeSettings

SIGNATURE = "X-Mnist-Lite-Signature-256"
# For each, name look-up included. A mail server's socket may be silent for 15 s: `?cto=` in its address changes that.
GIVE_UP_SECONDS = 60.0

_ASSET = AppriseAsset(app_id="mnist-lite", async_mode=False)
# apprise only logs why it failed, the cause at DEBUG, and with addresses: `_reasons` reads it, nobody else.
_apprise_log = logging.getLogger("apprise")
_apprise_log.setLevel(logging.DEBUG)
_apprise_log.propagate = False


def send(settings: NoticeSettings, notice: Notice) -> dict[str, str | None]:
    """Send a notice to everybody whom the settings name, side by side: nobody waits for another one's server.

    Returns:
      By name: None where it was sent, else why it was not, without secrets. The names are "webhook", and an address's
      number, scheme and host.
    """
    secrets: set[str] = set()
    senders = dict(_senders(settings, notice, secrets))
    secrets = {secret for secret in secrets if len(secret) >= 5}  # as Airflow: shorter ones are in every word
    for secret in secrets:
        mask_secret(secret)  # in whatever else Airflow may log
    outcomes: dict[str, str | None] = dict.fromkeys(senders, f"no answer within {GIVE_UP_SECONDS:g} s")
    # Daemons: an abandoned one must not keep the task's process from ending.
    threads = [threading.Thread(target=_try, args=(*it, outcomes), daemon=True) for it in senders.items()]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + GIVE_UP_SECONDS
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return {name: _redacted(outcomes[name], secrets) for name in senders}


def _senders(settings: NoticeSettings, notice: Notice, secrets: set[str]) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield each name with the call that notifies it, and add to `secrets` what no log may show."""
    try:
        urls = parse_urls(settings.secret("urls"))
    except SettingsError:
        urls = []
        yield "addresses", partial(settings.secret, "urls")  # which fails again, with its reason
    for number, url in enumerate(urls, 1):
        shown = _masked(url)
        secrets |= {url, *_values(url)} - set(_values(shown))
        yield f"address {number} ({shown})", partial(_notify_people, url, notice)
    if settings.webhook:
        secrets.add(settings.webhook.get_secret_value())
        with contextlib.suppress(SettingsError):
            secrets |= {settings.secret("webhook_secret") or ""}
        yield "webhook", partial(_notify_program, settings, notice)


def _masked(url: str) -> str:
    """Return an address's scheme, user and host, as apprise masks them."""
    with _reasons():
        service = Apprise.instantiate(url, asset=_ASSET)
    if service:
        return "/".join(service.url(privacy=True).split("/")[:3])
    scheme, found, _ = url.partition("://")
    return f"{scheme}://***" if found else "***"


def _notify_people(url: str, notice: Notice) -> None:
    with _reasons() as reasons:
        # As plain text: a reason comes from data and code, and may look like markup.
        people = Apprise(asset=_ASSET)
        told = people.add([url]) and people.notify(notice.text(), notice.subject, body_format=NotifyFormat.TEXT)
    if not told:
        raise NoticeError(". ".join(reasons))


def _notify_program(settings: NoticeSettings, notice: Notice) -> None:
    """POST the notice as JSON; with a secret, `SIGNATURE` is `sha256=` and the body's HMAC-SHA256 in hex.

    Raises:
      NoticeError: it was not received. It names the host alone: the rest of the address may be secret.
    """
    assert settings.webhook
    url, secret = settings.webhook.get_secret_value(), settings.secret("webhook_secret")
    body = notice.model_dump_json().encode()
    headers = {"Content-Type": "application/json", "User-Agent": "mnist-lite"}
    if secret:
        headers[SIGNATURE] = f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"
    host = urlsplit(url).hostname
    try:
        answer = httpx.post(url, content=body, headers=headers, timeout=20)
    except httpx.HTTPError as error:
        raise NoticeError(f"expected {host} to answer. Received: {type(error).__name__}, {error}") from None
    if not answer.is_success:
        raise NoticeError(f"expected {host} to answer with 2xx. Received: {answer.status_code}")


def _try(name: str, notify: Callable[[], object], outcomes: dict[str, str | None]) -> None:
    try:
        notify()
    except Exception as error:
        outcomes[name] = f"{type(error).__name__}: {error}"
    else:
        outcomes[name] = None


@contextlib.contextmanager
def _reasons() -> Iterator[list[str]]:
    """Collect what apprise logs in this thread, from its first warning on."""
    reasons: list[str] = []
    thread = threading.get_ident()

    class Reasons(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if threading.get_ident() == thread and (reasons or record.levelno >= logging.WARNING):
                reasons.append(record.getMessage())

    handler = Reasons()
    _apprise_log.addHandler(handler)
    try:
        yield reasons
    finally:
        _apprise_log.removeHandler(handler)


def _values(url: str) -> list[str]:
    """Return an address's user, password, host, path's parts and parameters, as written and decoded."""
    parts = [part for part in re.split(r"[?&][^=&]+=|[/?&:@,\s]+", url.partition("://")[2]) if part]
    return [*parts, *map(unquote, parts)]


def _redacted(text: str | None, secrets: Iterable[str]) -> str | None:
    for secret in sorted(secrets, key=len, reverse=True):
        text = text and text.replace(secret, "***")
    return text
