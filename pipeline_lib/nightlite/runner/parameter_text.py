"""Run parameters in words and on command lines."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from nightlite.did_you_mean import did_you_mean
from nightlite.errors import NodeRequestError
from nightlite.runner.compiled_pipeline import Parameter, require_json

_KINDS = {"integer": "an integer", "number": "a number", "string": "a text", "boolean": "true or false"}


def bounds(parameter: Parameter) -> str:
    """Return a parameter's allowed values in words: "1 to 500", "above 0, up to 1", "`none`, `required`"."""
    return "`true`, `false`" if parameter.type == "bool" else _limits(parameter.json_schema)


def expected(schema: Mapping[str, Any]) -> str:
    """Return a JSON schema's allowed values in words, such as "an integer, 1 to 500", or "" without such limits."""
    if choices := schema.get("enum"):
        return f"one of {', '.join(map(_text, choices))}"
    if "pattern" in schema and (examples := schema.get("examples")):
        return f"a value such as {' or '.join(map(_text, examples))}"
    types = schema.get("type") or []
    kinds = " or ".join(_KINDS.get(kind, kind) for kind in ([types] if isinstance(types, str) else types))
    form = f"of the form {schema['pattern']}" if "pattern" in schema else ""
    return ", ".join(filter(None, (kinds, _limits(schema).replace("`", ""), form)))


def _limits(schema: Mapping[str, Any]) -> str:
    if choices := schema.get("enum"):
        return ", ".join(f"`{choice}`" for choice in choices)
    if examples := schema.get("examples"):
        return "such as " + ", ".join(f"`{example}`" for example in examples)
    least, most = schema.get("minimum"), schema.get("maximum")
    if "exclusiveMinimum" in schema:
        return f"above {_text(schema['exclusiveMinimum'])}" + ("" if most is None else f", up to {_text(most)}")
    if least is None or most is None:
        return f"at least {_text(least)}" if least is not None else f"up to {_text(most)}" if most is not None else ""
    return f"{_text(least)} to {_text(most)}"


def default(parameter: Parameter) -> str:
    """Return a parameter's default as a command line takes it."""
    return _text(parameter.default)


def _text(value: object) -> str:
    return str(value) if isinstance(value, str) else json.dumps(value).removesuffix(".0")


def assignments(texts: Sequence[str], parameters: Iterable[Parameter]) -> dict[str, Any]:
    """Return `NAME=VALUE` as values by name. A repeated name has its last value.

    A text parameter takes its value unchanged, any other as JSON if possible.

    Raises:
      NodeRequestError: a text without `=`, or a value that no request can hold.
    """
    plain = {parameter.name for parameter in parameters if parameter.type == "str"}
    values: dict[str, Any] = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator:
            raise NodeRequestError(f"--param: expected NAME=VALUE. Received: {text!r}")
        values[name] = value if name in plain else _value(value)
        try:
            require_json({name: values[name]})
        except ValueError:
            raise NodeRequestError(
                f"--param: expected finite numbers and whole characters. Received: {text!r}"
            ) from None
    return values


def unknown_names(unknown: Sequence[str], known: Iterable[str]) -> str:
    """Return a sentence on unknown run parameters, with the likeliest known names first."""
    offered = list(known)
    hint = did_you_mean(unknown, offered)
    return f"{hint}Received: {', '.join(unknown)}. Expected run parameters among {', '.join(offered) or 'none'}"


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # no JSON, or a number of thousands of digits
        return text
