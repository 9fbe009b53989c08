"""The REST client against a server that breaks connections or answers oddly."""

from collections.abc import Callable

import httpx
import pytest

from pipeline_lib.airflow import rest
from pipeline_lib.errors import StackError


def server(answer: Callable[[int], httpx.Response]) -> tuple[httpx.Client, list[httpx.Request]]:
    """A client of a server that answers the n-th request (from 1) with `answer(n)`, and what it received."""
    received: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        received.append(request)
        return answer(len(received))

    return httpx.Client(transport=httpx.MockTransport(handle), base_url="http://airflow"), received


def broken_once(error: type[httpx.TransportError]) -> Callable[[int], httpx.Response]:
    def answer(attempt: int) -> httpx.Response:
        if attempt == 1:
            raise error("broken")
        return httpx.Response(200, json={})

    return answer


@pytest.mark.parametrize(("method", "error"), [("GET", httpx.ReadTimeout), ("POST", httpx.ConnectError)])
def test_tries_again_where_that_cannot_do_harm(method: str, error: type[httpx.TransportError]) -> None:
    http, received = server(broken_once(error))
    assert rest._send(http, method, "/x").status_code == 200
    assert len(received) == 2


def test_a_trigger_that_may_have_been_received_is_not_sent_twice() -> None:
    http, received = server(broken_once(httpx.ReadTimeout))
    with pytest.raises(StackError, match="expected Airflow to answer at http://airflow"):
        rest._send(http, "POST", "/x")
    assert len(received) == 1


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (
            httpx.Response(422, json={"detail": [{"loc": ["body", "conf"], "msg": "not a dict"}]}),
            "body.conf: not a dict",
        ),
        (httpx.Response(400, json={"detail": "Invalid input\n\nschema"}), r"Invalid input$"),
        (httpx.Response(502, text="<html>bad gateway"), "bad gateway"),
    ],
)
def test_says_what_the_server_said(answer: httpx.Response, said: str) -> None:
    http, _ = server(lambda _: answer)
    with pytest.raises(StackError, match=said):
        rest._send(http, "POST", "/x")
