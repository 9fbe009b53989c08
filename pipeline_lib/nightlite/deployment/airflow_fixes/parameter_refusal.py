"""Sentence on why a run cannot take the parameters of a request.

Airflow's own answer to a value out of bounds is a dump of its schema. Upstream: none filed. For Airflow 3.3.
"""

import reprlib
from collections.abc import Mapping
from typing import Any

from nightlite.did_you_mean import did_you_mean
from nightlite.runner.compiled_pipeline import require_json
from nightlite.runner.parameter_text import expected

# A body may hold a hundred thousand names, and comparing each takes time.
_NAMED = 10
# The schema's keywords that `expected` puts into words.
_TOLD = frozenset({"type", "enum", "minimum", "maximum", "exclusiveMinimum", "pattern"})


def refusal(dag_id: str, conf: Mapping[str, Any], params: Any) -> str | None:
    """Return the reason for a refusal, or None if the DAG takes the parameters.

    Args:
      dag_id: names the DAG.
      conf: the parameters of the request.
      params: the DAG's own, as Airflow's API server holds them.
    """
    if unknown := sorted(set(conf) - set(params)):
        return _unknown(dag_id, unknown, conf, list(params))
    found = (_no_json(name, value) or _out_of_bounds(name, value, params) for name, value in conf.items())
    return next(filter(None, found), None)


def _unknown(dag_id: str, unknown: list[str], conf: Mapping[str, Any], known: list[str]) -> str:
    told = unknown[:_NAMED]
    received = ", ".join(f"{reprlib.repr(name)[1:-1]}={reprlib.repr(conf[name])}" for name in told)
    received += f" and {len(unknown) - _NAMED} more" if len(unknown) > _NAMED else ""
    return (
        f"{did_you_mean(told, known)}Expected only run parameters that {dag_id} has ({', '.join(known)}). "
        f"Received: {received}"
    )


def _no_json(name: str, value: Any) -> str | None:
    """Return why no answer could hold the value.

    Python's JSON reads NaN and half a character, and Airflow stores them.
    """
    try:
        require_json(value)
    except ValueError as error:
        wanted = "whole characters" if isinstance(error, UnicodeError) else "a finite number"
        return f"{name}: expected {wanted}. Received: {reprlib.repr(value)}"
    return None


def _out_of_bounds(name: str, value: Any, params: Any) -> str | None:
    try:
        params.deep_merge({name: value}).get_param(name).resolve(raises=True)
    except Exception as error:  # jsonschema's, of several kinds; Airflow takes any for a refusal, too
        wanted = expected(params.get_param(name).schema)
        if getattr(error, "validator", None) in _TOLD and wanted:
            return f"{name}: expected {wanted}. Received: {reprlib.repr(value)}"
        return f"{name}: {str(error).partition(chr(10))[0]}"
    return None
