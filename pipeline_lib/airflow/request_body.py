"""The body of a request that a middleware looks at before it hands the request on."""

from collections.abc import Sequence

from starlette.types import Message, Receive

# Longer bodies are handed on unread beyond this: memory stays bounded.
MOST_BYTES = 1 << 20


async def read_ahead(receive: Receive) -> list[Message]:
    """The body's messages, to its end or until there are too many bytes."""
    messages: list[Message] = []
    size = 0
    while size <= MOST_BYTES:
        messages.append(message := await receive())
        size += len(message.get("body", b""))
        if not message.get("more_body"):
            break
    return messages


def read_again(messages: Sequence[Message], receive: Receive) -> Receive:
    """A `receive` that gives what was read, and then the rest as it comes."""
    left = list(messages)

    async def again() -> Message:
        return left.pop(0) if left else await receive()

    return again
