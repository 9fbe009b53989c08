"""Approval of a release by a person.

Airflow's Approval task records it, the Pusher obeys it, and the manifest keeps it.
"""

from typing import Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from nightlite.errors import NodeRequestError

# The parameter that Airflow sets, and the Pusher's exec property of the same name.
APPROVAL_RECORD: Final = "approval_record"
_TIME = "%Y-%m-%d %H:%M UTC"


class Approval(BaseModel):
    """Decision, user and time. `user` is None if no one answered in time."""

    model_config = ConfigDict(frozen=True)

    decision: Literal["approved", "rejected", "timed out"]
    user: str | None
    at: AwareDatetime

    def __str__(self) -> str:
        if self.decision == "timed out":
            return f"no one approved it until {self.at:{_TIME}}"
        return f"{self.decision} by {self.user}, {self.at:{_TIME}}"


def approval_of(record: str) -> Approval | None:
    """Return the approval in a record, or None if no one was asked.

    Raises:
      NodeRequestError: the record holds something else.
    """
    if not record:
        return None
    try:
        return Approval.model_validate_json(record)
    except ValidationError as error:
        raise NodeRequestError(
            f"{APPROVAL_RECORD}: expected JSON of an approval ({error.errors()[0]['msg']}). Received: {record!r}"
        ) from None


def refusal(required: bool, approval: Approval | None) -> str | None:
    """Return the reason why a blessed model may not be pushed, or None if it may."""
    if not required or (approval and approval.decision == "approved"):
        return None
    return f"not pushed: {approval or 'approval is required, and no one was asked'}"
