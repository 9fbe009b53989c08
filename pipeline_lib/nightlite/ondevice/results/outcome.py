"""Outcome of a run, decided where it is known and carried in the Pusher's NodeResult."""

from enum import StrEnum
from typing import Any, Final, Literal

# The custom property of a PushedModel that holds it.
OUTCOME: Final = "outcome"
Event = Literal["pushed", "refused", "nothing_new", "failed", "late"]


class Outcome(StrEnum):
    """The end of a run. The Pusher's executor decides all but `failed`, and writes it into its PushedModel.

    One table, from which the note, the notice, the exit codes and the report are written.

    Attributes:
      words: the beginning of the run's note, or all of it if no reason is known.
      event: the event of its notice.
      exit_code: of a command that waited for the run.
      mark: the report's.
    """

    words: str
    event: Event
    exit_code: int
    mark: Literal["good", "bad", "none"]

    def __new__(cls, value: str, *columns: Any) -> "Outcome":
        """Return a row of the table."""
        row = str.__new__(cls, value)
        row._value_ = value
        row.words, row.event, row.exit_code, row.mark = columns
        return row

    released = "released", "released", "pushed", 0, "good"
    # `latest` is this very file already.
    nothing_new = "nothing_new", "nothing new", "nothing_new", 0, "none"
    # The run was asked to release nothing.
    dry_run = "dry_run", "dry run", "nothing_new", 0, "none"
    # Only chance separates it from the last release.
    no_better = "no_better", "no better", "nothing_new", 3, "none"
    # A gate was not passed.
    refused = "refused", "refused", "refused", 3, "bad"
    # Someone rolled back from this very file.
    rolled_back = "rolled_back", "rolled back", "refused", 3, "bad"
    # The last release was trained on a newer span.
    older_data = "older_data", "older data", "refused", 3, "bad"
    # Someone rejected it, or no one answered.
    not_approved = "not_approved", "not approved", "refused", 3, "bad"
    failed = "failed", "failed", "failed", 1, "bad"

    @property
    def is_refusal(self) -> bool:
        """Return whether a new model was kept back."""
        return self.event == "refused"
