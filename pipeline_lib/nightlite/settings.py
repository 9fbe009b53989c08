"""Reader of settings: `NIGHTLITE_*` variables, read once a process into frozen objects that are passed on."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, cast, get_args

from pydantic import ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from nightlite.errors import SettingsError

PREFIX = "NIGHTLITE_"
_Kind = TypeVar("_Kind", bound=BaseSettings)
_READ: dict[type[BaseSettings], BaseSettings] = {}


class EnvironmentSettings(BaseSettings):
    """Settings of one layer. Paths are made absolute. An empty variable of a path counts as unset."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    @model_validator(mode="before")
    @classmethod
    def _paths(cls, values: dict[str, Any]) -> dict[str, Any]:
        kinds = {name: field.annotation for name, field in cls.model_fields.items()}
        paths = {name for name, kind in kinds.items() if kind is Path or Path in get_args(kind)}
        # An empty path would be the current folder. Not resolve(): a venv's python keeps its own name.
        return {
            name: os.path.abspath(value) if name in paths and value is not None else value
            for name, value in values.items()
            if value != "" or name not in paths
        }


def process_settings(kind: type[_Kind]) -> _Kind:
    """Return the settings of this process, read at the first call.

    Raises:
      SettingsError: a variable is malformed.
    """
    if kind not in _READ:
        _READ[kind] = read_variables(kind)
    return cast(_Kind, _READ[kind])


def forget_settings() -> None:
    """Forget the settings, so that the next call reads the variables again."""
    _READ.clear()


def read_variables(kind: type[_Kind], prefix: str = "") -> _Kind:
    """Return a model of variables, read from the environment.

    Args:
      prefix: the start of the variables' names; default: the model's own.

    Raises:
      SettingsError: a variable is malformed.
    """
    prefix = prefix or kind.model_config["env_prefix"]
    try:
        return kind(_env_prefix=prefix)
    except ValidationError as error:
        # A name that is unknown first: it is often a misspelt one that is missing.
        first = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
        field, *within = map(str, first["loc"])
        # Logs hold no secrets, and an address may contain one.
        secret = "SecretStr" in str(kind.model_fields[field].annotation) or "@" in str(first["input"])
        received = "what may hold a secret" if secret else repr(first["input"])
        place = "".join(f"entry {int(name) + 1}: " if name.isdigit() else f"{name}: " for name in within)
        raise SettingsError(f"{prefix}{field}".upper() + f": {place}{expected(first)}. Received: {received}") from None


# pydantic's types of errors in a value of one field, in the words of our other errors.
_EXPECTED = {
    "int_parsing": "expected a whole number",
    "int_from_float": "expected a whole number",
    "float_parsing": "expected a number",
    "bool_parsing": "expected true or false",
    "greater_than_equal": "expected {ge} or more",
    "greater_than": "expected more than {gt}",
    "less_than_equal": "expected {le} or less",
    "less_than": "expected less than {lt}",
    "literal_error": "expected {expected}",
    "string_pattern_mismatch": "expected text that matches {pattern}",
    "string_type": "expected a text",
    "missing": "expected a value",
    "extra_forbidden": "expected no such field",
    "too_short": "expected {min_length} or more",
    "tuple_type": "expected a list",
    "model_type": "expected a {class_name}",
}


def expected(error: Mapping[str, Any]) -> str:
    """Return what was expected, of one of a ValidationError's `errors()`."""
    known = _EXPECTED.get(error["type"])
    said = str(error["msg"]).removeprefix("Value error, ").replace("Input should be", "expected")
    bounds = {  # a float's bound is 0.0
        name: int(value) if isinstance(value, float) and value.is_integer() else value
        for name, value in error.get("ctx", {}).items()
    }
    return known.format(**bounds) if known else said
