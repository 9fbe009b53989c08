"""Tell Airflow of a new span: an event of its Asset, over REST, for which the pipeline's DAG waits."""

from typing import Any

import httpx
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_fixed

from pipeline_lib.access import Access, find_access
from pipeline_lib.errors import SettingsError
from pipeline_lib.settings import DATA_ASSET, Settings
from pipeline_lib.spans import Span

_TIMEOUT_SECONDS = 15
_EVENTS_LOOKED_AT = 100


class _NotTold(Exception):
    """Why Airflow was not told, in words."""


def tell_of(span: Span, config: Settings) -> str:
    """Tell Airflow of a span, unless it knows; returns the sentence that says what came of it.

    Never a failure: the span is there, and the next run by time, or the same ingest again, makes up for it.
    """
    try:
        access = find_access(config)
        if access is None:
            raise _NotTold("there is no local Airflow ('make up') and MNIST_LITE_URL is not set")
        with httpx.Client(base_url=f"{access.url}/", timeout=_TIMEOUT_SECONDS, trust_env=access.is_remote) as http:
            return _tell(http, access, span)
    except (KeyError, TypeError, ValueError):
        reason: Exception = _NotTold("expected Airflow 3's REST API. Received: another answer")
    except (SettingsError, _NotTold) as error:
        reason = error
    return f"Airflow was not told: {reason}. The next run reads {span.path.name} all the same"


def _tell(http: httpx.Client, access: Access, span: Span) -> str:
    http.headers["Authorization"] = f"Bearer {_token(http, access)}"
    found = _send(http, "GET", "api/v2/assets", params={"name_pattern": DATA_ASSET}).json()["assets"]
    ids = [asset["id"] for asset in found if asset["name"] == DATA_ASSET]
    if not ids:
        raise _NotTold(f"the Airflow at {access.url} has no Asset {DATA_ASSET}, because no DAG there names it")
    events = "api/v2/assets/events"
    extra = span.event()
    if any(extra.items() <= event.items() for event in _known(http, events, ids[0])):
        return f"Airflow at {access.url} knows of {span.path.name} already"
    _send(http, "POST", events, json={"asset_id": ids[0], "extra": extra})
    return f"Airflow at {access.url} was told of {span.path.name}"


def _known(http: httpx.Client, events: str, asset_id: int) -> list[dict[str, Any]]:
    """What the Asset's newest events say; nothing where Airflow cannot tell: an event too many finds nothing new."""
    query = {"asset_id": asset_id, "order_by": "-timestamp", "limit": _EVENTS_LOOKED_AT}
    # Airflow 3.3 answers 500 while a run that such an event has caused is queued: it has no start yet to be told.
    answer = _send(http, "GET", events, may_fail=True, params=query)
    return [] if answer.is_server_error else [event["extra"] or {} for event in answer.json()["asset_events"]]


def _token(http: httpx.Client, access: Access) -> str:
    if access.token:
        return access.token.get_secret_value()
    body = {"username": access.user, "password": access.password.get_secret_value()}
    return str(_send(http, "POST", "auth/token", json=body).json()["access_token"])


def _send(http: httpx.Client, method: str, path: str, *, may_fail: bool = False, **request: Any) -> httpx.Response:
    # A request that was never received may be sent again; an event that may have been, not.
    retrying = Retrying(
        retry=retry_if_exception_type(httpx.ConnectError),
        stop=stop_after_attempt(3),
        wait=wait_fixed(0.5),
        reraise=True,
    )
    try:
        answer = retrying(http.request, method, path, **request)
    except httpx.HTTPError as error:
        raise _NotTold(f"expected it to answer at {http.base_url}. Received: {error}") from None
    if not answer.is_success and not (may_fail and answer.is_server_error):
        raise _NotTold(f"it refused {method} {path} ({answer.status_code} {answer.reason_phrase})")
    return answer
