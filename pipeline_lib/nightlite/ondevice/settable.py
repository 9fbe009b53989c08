"""Run parameters whose defaults a deployment may set. Trainers import this module, and train again when it changes."""

from typing import Final

from pydantic import JsonValue
from pydantic.fields import FieldInfo

# `json_schema_extra` of a parameter whose default no deployment's variable sets.
BY_RUNS: Final[dict[str, JsonValue]] = {"set_by": "runs"}


def is_settable(field: FieldInfo) -> bool:
    """Return whether a deployment's variable may set the default of this parameter."""
    extra = field.json_schema_extra
    return not (isinstance(extra, dict) and extra.keys() >= BY_RUNS.keys())
