"""The outcome of a run, decided where it is known and carried in the Pusher's NodeResult."""

from enum import StrEnum
from typing import Final

# The custom property of a PushedModel that holds it.
OUTCOME: Final = "outcome"


class Outcome(StrEnum):
    """The end of a run.

    The Pusher's executor decides all but `failed`, and writes it into its PushedModel.
    """

    released = "released"
    # `latest` is this very file already.
    nothing_new = "nothing_new"
    # It was asked to release nothing.
    dry_run = "dry_run"
    # A gate was not passed.
    refused = "refused"
    # Nothing but chance sets it apart from the last release.
    no_better = "no_better"
    # Someone rolled back from this very file.
    rolled_back = "rolled_back"
    # The last release was trained on a newer span.
    older_data = "older_data"
    # Someone rejected it, or no one answered.
    not_approved = "not_approved"
    failed = "failed"

    @property
    def is_refusal(self) -> bool:
        """Return whether a new model was kept back."""
        return self in (Outcome.refused, Outcome.rolled_back, Outcome.older_data, Outcome.not_approved)
