"""LiteRT, batch by batch. The caller passes the interpreter, so that this imports no runtime."""

from collections.abc import Iterator, Mapping
from typing import Any

Details = dict[str, dict[str, Any]]


def signature(interpreter: Any) -> tuple[Details, Details]:
    """Return the details of the inputs and of the outputs of a file's only signature, by their names.

    The names are those that a phone's code uses. A file lists its tensors in an order of its own.
    """
    runner = interpreter.get_signature_runner()
    return runner.get_input_details(), runner.get_output_details()


def outputs(interpreter: Any, inputs: Mapping[str, Any], batch_size: int) -> Iterator[Any]:
    """Yield the only output of each batch of examples, an array [batch_size, …].

    Args:
      interpreter: of a file with one signature.
      inputs: by the names of the signature, arrays [n, …].

    Raises:
      ValueError: the file has other inputs.
    """
    taken, given = signature(interpreter)
    require_inputs(taken, inputs)
    [output] = given.values()
    for start in range(0, len(next(iter(inputs.values()))), batch_size):
        batch = {name: values[start : start + batch_size] for name, values in inputs.items()}
        for name, values in batch.items():
            interpreter.resize_tensor_input(taken[name]["index"], values.shape)
        interpreter.allocate_tensors()
        for name, values in batch.items():
            interpreter.set_tensor(taken[name]["index"], values)
        interpreter.invoke()
        yield interpreter.get_tensor(output["index"]).copy()


def answer(interpreter: Any, example: Mapping[str, Any]) -> dict[str, Any]:
    """Return the outputs for one example by their names, each an array [1, …].

    Args:
      interpreter: of a file with one signature.
      example: by the names of the signature, arrays [1, …].

    Raises:
      ValueError: the file has other inputs, or of another size.
      RuntimeError: the runtime cannot run it.
    """
    taken, given = signature(interpreter)
    require_inputs(taken, example)
    interpreter.allocate_tensors()
    for name, values in example.items():
        interpreter.set_tensor(taken[name]["index"], values)
    interpreter.invoke()
    return {name: interpreter.get_tensor(details["index"]).copy() for name, details in given.items()}


def require_inputs(taken: Details, inputs: Mapping[str, Any]) -> None:
    """Refuse inputs of other names than the file's.

    Raises:
      ValueError: the names differ.
    """
    if set(taken) != set(inputs):
        raise ValueError(f"expected inputs named {', '.join(sorted(taken))}. Received: {', '.join(sorted(inputs))}")
