"""Event: one change of the releases that phones get, a line of the history."""

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict

Action = Literal["push", "rollback", "prune", "rollout", "halt"]


class Event(BaseModel):
    """One line.

    Attributes:
      version: of a push, a rollout and a halt the release, of a rollback its target.
      previous: the earlier target of `latest`.
      permille: the share of phones on `stable` after a push or a rollout. 0: it waits. None: all, in older lines too.
    """

    model_config = ConfigDict(frozen=True)

    action: Action
    version: int
    sha256: str
    previous: int | None
    when: AwareDatetime
    who: str
    why: str
    permille: int | None = None
