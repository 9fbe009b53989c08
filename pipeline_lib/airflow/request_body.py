"""The body of a request that a middleware looks at before it hands the request on."""

from fastapi.responses import JSONResponse
from starlette.types import Message, Receive


async def read_whole(receive: Receive, most: int) -> Message | None:
    """The body to its end as one message, however small the pieces it came in; None: it has more than `most` bytes."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return message  # the client is gone, which is the application's to find out
        body += message.get("body", b"")
        if len(body) > most:
            return None
        if not message.get("more_body"):
            return {"type": "http.request", "body": bytes(body), "more_body": False}


def read_again(message: Message, receive: Receive) -> Receive:
    """A `receive` that gives what was read, and then the rest as it comes."""
    left = [message]

    async def again() -> Message:
        return left.pop() if left else await receive()

    return again


def too_long(most: int) -> JSONResponse:
    return JSONResponse({"detail": f"expected a body of at most {most >> 20} MiB. Received: a longer one"}, 413)
