"""Result of one check of `nightlite doctor`."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class State(StrEnum):
    """Result of a check, the mildest first."""

    ok = "ok"
    warning = "warning"
    failed = "failed"


class Check(BaseModel):
    """One line: what was checked, what was found, and what to do if that is not well."""

    model_config = ConfigDict(frozen=True)

    name: str
    state: State
    found: str
    to_do: str = ""


def ok(name: str, found: str) -> Check:
    """Return a check that found nothing wrong."""
    return Check(name=name, state=State.ok, found=found)


def warning(name: str, found: str, to_do: str) -> Check:
    """Return a check that found something that may stay as it is for now."""
    return Check(name=name, state=State.warning, found=found, to_do=to_do)


def failed(name: str, found: str, to_do: str) -> Check:
    """Return a check that found something that ends runs, or will."""
    return Check(name=name, state=State.failed, found=found, to_do=to_do)
