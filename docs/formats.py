"""Tables of what programs read: a row for each field of a pydantic model, from its JSON schema and its docstring."""

import inspect
import re
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import BaseModel

from nightlite.ondevice.approval import Approval
from nightlite.ondevice.contract.app_contract import Input, Meaning
from nightlite.ondevice.contract.file_contract import TensorContract
from nightlite.ondevice.contract.golden import Golden, GoldenExample
from nightlite.ondevice.feed.document import Document, FeedFile, Offer
from nightlite.ondevice.gates.gate import Gate
from nightlite.ondevice.in_airflow.notice.message import FileMetrics, Notice, Reason
from nightlite.ondevice.releases.manifest import Manifest
from nightlite.ondevice.results.node_facts import NodeFacts
from nightlite.ondevice.results.outcome import Outcome
from nightlite.runner.exit_codes import MEANINGS
from nightlite.runner.node_result import NodeResult, OutputArtifact

# By the name that docs/reference/formats.md gives.
FORMATS: dict[str, tuple[type[BaseModel], ...]] = {
    "manifest": (Manifest, Input, Meaning, TensorContract, Gate, Approval),
    "golden": (Golden, GoldenExample),
    "feed": (Document, Offer, FeedFile),
    "notice": (Notice, Reason, FileMetrics),
    "node_result": (NodeResult, OutputArtifact, NodeFacts),
}
_ELSEWHERE = {"Outcome": "exit-codes.md#outcomes-of-a-run"}
_ATTRIBUTE = re.compile(r"^ {2}(\w[\w, ]*): ", re.MULTILINE)


class UndescribedError(Exception):
    """A field that a table must explain has no description."""


def tables(name: str) -> str:
    """Return the tables of a format: the document's, then those of its parts."""
    return "\n" + "\n".join(f"### {kind.__name__}\n\n{_about(kind)}\n\n{table(kind)}" for kind in FORMATS[name]) + "\n"


def table(kind: type[BaseModel]) -> str:
    """Return a row for each field."""
    schema = kind.model_json_schema(mode="serialization")
    found = descriptions(kind)
    if missing := kind.model_fields.keys() - found.keys():
        raise UndescribedError(
            f"expected each field of {kind.__name__} among the Attributes of its docstring. Received: none for "
            f"{', '.join(sorted(missing))}. Describe it there, then run 'make docs'"
        )
    rows = (f"| `{name}` | {_type(schema['properties'][name])} | {found[name]} |" for name in kind.model_fields)
    return "\n".join(["| field | type | |", "| --- | --- | --- |", *rows, ""])


def descriptions(kind: type[BaseModel]) -> dict[str, str]:
    """Return each field's description, from the docstrings of the class and of those that it extends."""
    found: dict[str, str] = {}
    for each in reversed(kind.__mro__):
        text = inspect.cleandoc(each.__doc__ or "").partition("Attributes:\n")[2]
        parts = _ATTRIBUTE.split(text)[1:]
        for names, about in zip(parts[::2], parts[1::2], strict=True):
            found |= dict.fromkeys(names.split(", "), " ".join(about.split()))
    return {**found, **{name: field.description for name, field in kind.model_fields.items() if field.description}}


def _about(kind: type[BaseModel]) -> str:
    return inspect.cleandoc(kind.__doc__ or "").partition("\nAttributes:")[0].strip()


def _type(schema: dict[str, Any]) -> str:
    """Return a JSON schema's type in words."""
    return " or ".join(_types(schema))


def _types(schema: dict[str, Any]) -> Iterator[str]:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        page = "" if name in _named() else _ELSEWHERE[name]
        yield f"[{name}]({page or f'#{name.lower()}'})"
    elif "anyOf" in schema:
        for part in schema["anyOf"]:
            yield from _types(part)
    elif "const" in schema or "enum" in schema:
        yield from (f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    elif schema.get("type") == "array":
        yield f"list of {_type(schema.get('items') or {})}"
    elif schema.get("type") == "object":
        yield f"object of {_type(inner) if (inner := _values(schema)) else 'anything'}"
    else:
        yield {"date-time": "time"}.get(schema.get("format", ""), schema.get("type", "anything"))


def _values(schema: dict[str, Any]) -> dict[str, Any] | None:
    """Return the schema of an object's values."""
    found = schema.get("additionalProperties") or next(iter(schema.get("patternProperties", {}).values()), None)
    return found if isinstance(found, dict) else None


def _named() -> set[str]:
    return {kind.__name__ for kinds in FORMATS.values() for kind in kinds}


def outcomes() -> str:
    """Return the table of a run's outcomes, with the exit code of a command that waited for it."""
    rows = (f"| `{item.value}` | {item.words} | {item.exit_code} | `{item.event}` |" for item in Outcome)
    return _lines("| outcome | in words | exit code | its notice's event |", rows)


def exit_codes() -> str:
    """Return the table of the exit codes of one node's process."""
    rows = (f"| {code} | {meaning} |" for code, meaning in MEANINGS.items())
    return _lines("| exit code | the node |", rows)


def _lines(heading: str, rows: Iterable[str]) -> str:
    return "\n".join(["", heading, "| --- " * (heading.count("|") - 1) + "|", *rows, "", ""])
