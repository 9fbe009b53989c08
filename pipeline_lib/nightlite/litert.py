"""LiteRT, batch by batch. The caller passes the interpreter, so that this imports no runtime."""

from collections.abc import Iterator
from typing import Any


def outputs(interpreter: Any, images: Any, batch_size: int) -> Iterator[Any]:
    """Yield the only output of each batch of images, an array [batch_size, …]."""
    [taken], [given] = interpreter.get_input_details(), interpreter.get_output_details()
    for start in range(0, len(images), batch_size):
        batch = images[start : start + batch_size]
        interpreter.resize_tensor_input(taken["index"], batch.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(taken["index"], batch)
        interpreter.invoke()
        yield interpreter.get_tensor(given["index"]).copy()
