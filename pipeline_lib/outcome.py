"""The outcome of a run, decided where it is known and carried in the Pusher's NodeResult."""

from enum import StrEnum
from typing import Final, Literal

# The custom property of a PushedModel that holds it.
OUTCOME: Final = "outcome"
Event = Literal["pushed", "refused", "nothing_new", "failed", "late"]


class Outcome(StrEnum):
    """The end of a run, and what everything else says of it.

    The Pusher's executor decides all but `failed`, and writes it into its PushedModel. `words` begin the run's note, or
    stand there alone where no reason is known. `event` is the notice's, `exit_code` the commands'.
    """

    # fmt: off
    #               value           words           event          exit code
    released     = "released",     "released",     "pushed",      0
    # `latest` is this very file already.
    nothing_new  = "nothing_new",  "nothing new",  "nothing_new", 0
    # It was asked to release nothing.
    dry_run      = "dry_run",      "dry run",      "nothing_new", 0
    # Nothing but chance sets it apart from the last release.
    no_better    = "no_better",    "no better",    "nothing_new", 3
    # A gate was not passed.
    refused      = "refused",      "refused",      "refused",     3
    # Someone rolled back from this very file.
    rolled_back  = "rolled_back",  "rolled back",  "refused",     3
    # The last release was trained on a newer span.
    older_data   = "older_data",   "older data",   "refused",     3
    # Someone rejected it, or no one answered.
    not_approved = "not_approved", "not approved", "refused",     3
    failed       = "failed",       "failed",       "failed",      1
    # fmt: on

    words: str
    event: Event
    exit_code: int

    def __new__(cls, value: str, words: str, event: Event, exit_code: int) -> "Outcome":
        member = str.__new__(cls, value)
        member._value_ = value
        member.words, member.event, member.exit_code = words, event, exit_code
        return member

    @property
    def is_refusal(self) -> bool:
        """Return whether a new model was kept back."""
        return self.event == "refused"

    @property
    def mark(self) -> Literal["good", "bad", "none"]:
        """Return how the report marks it."""
        return "good" if self.event == "pushed" else "none" if self.event == "nothing_new" else "bad"
