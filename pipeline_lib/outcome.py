"""The outcome of a run, decided where it is known and carried in the Pusher's NodeResult."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, Literal, NamedTuple

# The custom property of a PushedModel that holds it.
OUTCOME: Final = "outcome"
Event = Literal["pushed", "refused", "nothing_new", "failed", "late"]


class Outcome(StrEnum):
    """The end of a run. The Pusher's executor decides all but `failed`, and writes it into its PushedModel.

    The properties read one table, from which the note, the notice, the exit codes and the report are written.
    """

    released = "released"
    # `latest` is this very file already.
    nothing_new = "nothing_new"
    # It was asked to release nothing.
    dry_run = "dry_run"
    # Nothing but chance sets it apart from the last release.
    no_better = "no_better"
    # A gate was not passed.
    refused = "refused"
    # Someone rolled back from this very file.
    rolled_back = "rolled_back"
    # The last release was trained on a newer span.
    older_data = "older_data"
    # Someone rejected it, or no one answered.
    not_approved = "not_approved"
    failed = "failed"

    @property
    def words(self) -> str:
        """Return what the run's note begins with, or says where no reason is known."""
        return _TABLE[self].words

    @property
    def event(self) -> Event:
        """Return the event of its notice."""
        return _TABLE[self].event

    @property
    def exit_code(self) -> int:
        """Return the exit code of a command that waited for the run."""
        return _TABLE[self].exit_code

    @property
    def mark(self) -> Literal["good", "bad", "none"]:
        """Return the report's mark."""
        return _TABLE[self].mark

    @property
    def is_refusal(self) -> bool:
        """Return whether a new model was kept back."""
        return self.event == "refused"


class _Row(NamedTuple):
    words: str
    event: Event
    exit_code: int
    mark: Literal["good", "bad", "none"]


_TABLE: Mapping[Outcome, _Row] = {
    Outcome.released: _Row("released", "pushed", 0, "good"),
    Outcome.nothing_new: _Row("nothing new", "nothing_new", 0, "none"),
    Outcome.dry_run: _Row("dry run", "nothing_new", 0, "none"),
    Outcome.no_better: _Row("no better", "nothing_new", 3, "none"),
    Outcome.refused: _Row("refused", "refused", 3, "bad"),
    Outcome.rolled_back: _Row("rolled back", "refused", 3, "bad"),
    Outcome.older_data: _Row("older data", "refused", 3, "bad"),
    Outcome.not_approved: _Row("not approved", "refused", 3, "bad"),
    Outcome.failed: _Row("failed", "failed", 1, "bad"),
}
