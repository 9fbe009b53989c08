"""A person's word on a release: what Airflow's Approval task records, the Pusher obeys and the manifest keeps."""

from typing import Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from nightlite.errors import NodeRequestError

# The parameter that Airflow gives, and the Pusher's exec property of the same name.
APPROVAL_RECORD: Final = "approval_record"
_TIME = "%Y-%m-%d %H:%M UTC"


class Approval(BaseModel):
    """Who decided what, and when. `user` is None where nobody answered in time."""

    model_config = ConfigDict(frozen=True)

    decision: Literal["approved", "rejected", "timed out"]
    user: str | None
    at: AwareDatetime

    def __str__(self) -> str:
        if self.decision == "timed out":
            return f"nobody approved it until {self.at:{_TIME}}"
        return f"{self.decision} by {self.user}, {self.at:{_TIME}}"


def approval_of(record: str) -> Approval | None:
    """The approval that a record holds; None where nobody was asked.

    Raises:
      NodeRequestError: the record is something else.
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
    """Why a blessed model may not be pushed; None where it may."""
    if not required or (approval and approval.decision == "approved"):
        return None
    return f"not pushed: {approval or 'approval is required, and nobody was asked'}"
