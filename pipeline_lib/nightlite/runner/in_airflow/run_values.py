"""A run's parameters, checked again in its tasks and converted to TFX's types."""

import reprlib
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from airflow.sdk.exceptions import AirflowFailException

from nightlite.runner.compiled_pipeline import Parameter, require_json


def _bool(value: Any) -> bool:
    if not isinstance(value, bool):  # bool("false") is True
        raise TypeError
    return value


def _str(value: Any) -> str:
    # JSON Schema takes 7.0 for an integer.
    return str(int(value) if isinstance(value, float) and value.is_integer() else value)


_CASTS: Mapping[str, Callable[[Any], bool | int | float | str]] = {
    **{"int": int, "float": float, "str": _str},
    "bool": _bool,
}


def run_values(
    given: Mapping[str, Any], parameters: Sequence[Parameter], others: Collection[str] = ()
) -> dict[str, bool | int | float | str]:
    """Return the values of the pipeline's run parameters. `others` are names of the DAG's own parameters.

    Airflow checks declared parameters before the run exists, but lets a run carry any other name.

    Raises:
      AirflowFailException: a name is unknown, or a value is not of its parameter's type.
    """
    offered = [parameter for parameter in parameters if parameter.given_by == "user"]
    known = [parameter.name for parameter in offered]
    if unknown := sorted(set(given) - set(known) - set(others)):
        from nightlite.did_you_mean import did_you_mean  # no parse of the DAG needs it

        raise AirflowFailException(
            f"{did_you_mean(unknown, known)}Expected only run parameters that the pipeline has "
            f"({', '.join(known) or 'none'}). Received: {', '.join(reprlib.repr(name)[1:-1] for name in unknown)}"
        )
    values: dict[str, bool | int | float | str] = {}
    for parameter in offered:
        value = given.get(parameter.name)
        if value is None:
            continue
        try:
            # JSON Schema takes 5.0 for an integer, but TFX's types are strict.
            values[parameter.name] = _CASTS[parameter.type](value)
            require_json(values[parameter.name])
        except (ValueError, OverflowError, TypeError):
            wanted = ("finite " if parameter.type in ("int", "float") else "") + parameter.type
            raise AirflowFailException(
                f"run parameter {parameter.name}: expected a {wanted}. Received: {reprlib.repr(value)}"
            ) from None
    return values
