"""Send one notice: to people by apprise, to a program by a signed POST. A broken address does not stop the others.

Addresses and secrets are read in the process that sends. Neither a DAG nor Airflow's database holds them.
"""

import hashlib
import hmac
import logging
import re
from urllib.parse import unquote, urlsplit

import httpx
from airflow.sdk.log import mask_secret, redact  # type: ignore[attr-defined]
from apprise import Apprise, AppriseAsset, LogCapture, NotifyFormat
from apprise.utils.parse import parse_urls

from nightlite.errors import SettingsError
from nightlite.ondevice.in_airflow.notice.message import Notice
from nightlite.ondevice.in_airflow.notice.settings import Recipients

SIGNATURE = "X-Nightlite-Signature-256"

_ASSET = AppriseAsset(app_id="nightlite", async_mode=False)
# It holds addresses, so only `_notify_people` reads it.
logging.getLogger("apprise").propagate = False


def send(settings: Recipients, notice: Notice) -> dict[str, str | None]:
    """Send a notice to everyone whom the settings name.

    Returns:
      By name: None if it was sent, else the reason without secrets. The names are "webhook", and an address's number,
      scheme and host.
    """
    outcomes: dict[str, str | None] = {}
    try:
        urls = parse_urls(settings.addresses())
    except SettingsError as error:
        urls, outcomes["addresses"] = [], str(error)
    for number, url in enumerate(urls, 1):
        shown, failure = _notify_people(url, notice)
        outcomes[f"address {number} ({shown})"] = failure
    if settings.webhook:
        outcomes["webhook"] = _notify_program(settings, notice)
    return outcomes


def _notify_people(url: str, notice: Notice) -> tuple[str, str | None]:
    """Return an address's scheme, user and host, as apprise masks them, and the reason if it was not notified."""
    # Only apprise's log holds the cause, at DEBUG.
    with LogCapture(level=logging.DEBUG, fmt="%(levelname)s: %(message)s") as log:
        service = Apprise.instantiate(url, asset=_ASSET)
        people = Apprise(service or [], asset=_ASSET)
        # Plain text, because a reason comes from data and code and may look like markup.
        sent = people.notify(notice.text(), notice.subject, body_format=NotifyFormat.TEXT)
        reason = None if sent else re.split(r"^(?=WARNING|ERROR)", log.getvalue(), maxsplit=1, flags=re.M)[-1]
    shown = "/".join(service.url(privacy=True).split("/")[:3]) if service else f"{url.partition('://')[0]}://***"
    for secret in _parts(url) - _parts(shown):
        mask_secret(secret)  # in Airflow's logs
    return shown, str(redact(reason.replace(url, shown).strip())) if reason else None


def _parts(url: str) -> set[str]:
    """Return an address's user, password, host, path's parts and parameters, as written and decoded."""
    parts = set(re.split(r"[?&][^=&]+=|[/?&:@,\s]+", url.partition("://")[2]))
    return parts | set(map(unquote, parts))


def _notify_program(settings: Recipients, notice: Notice) -> str | None:
    """POST the notice as JSON. With a secret, `SIGNATURE` is `sha256=` and the body's HMAC-SHA256 in hex.

    Returns:
      The reason why it was not received. It names only the host, because the rest of the address may be secret.
    """
    assert settings.webhook
    url, body = settings.webhook.get_secret_value(), notice.model_dump_json().encode()
    mask_secret(url)
    headers = {"Content-Type": "application/json", "User-Agent": "nightlite"}
    if settings.webhook_secret:
        secret = settings.webhook_secret.get_secret_value()
        mask_secret(secret)
        headers[SIGNATURE] = f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"
    host = urlsplit(url).hostname
    try:
        answer = httpx.post(url, content=body, headers=headers, timeout=20)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return f"expected {host} to answer. Received: {type(error).__name__}, {redact(str(error))}"
    return None if answer.is_success else f"expected {host} to answer with 2xx. Received: {answer.status_code}"
