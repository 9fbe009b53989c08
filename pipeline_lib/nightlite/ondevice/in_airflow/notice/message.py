"""Text of a notice: JSON for a program, plain text for people."""

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict

from nightlite.ondevice.results.outcome import Event
from nightlite.ondevice.results.quality import Quality

_TITLES: Mapping[Event | Literal["silent"], str] = {
    "pushed": "pushed",
    "refused": "refused",
    "nothing_new": "nothing new",
    "failed": "FAILED",
    "late": "LATE",
    "silent": "WARNS",
}


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True)


class FileMetrics(Quality):
    """Metrics of one TFLite file: its quality on the eval split, bytes, and median latency in ms."""

    size_bytes: int | None = None
    latency_ms: float | None = None


class Reason(_Message):
    """A gate that refused, or a failed task with the address of its log."""

    text: str
    url: str | None = None


class Notice(_Message):
    """JSON body for a webhook. The text for people is made from it.

    It may arrive twice if it was unclear whether it had been sent. `pipeline`, `run_id` and `event` are then the
    same. `model` is the run's TFLite file, `last_release` the release that its report compares it with. `release`
    is the version that holds the run's model, if any. The watchdog's event is `silent`, and its run is its own.
    """

    schema_version: Literal[1] = 1
    event: Event | Literal["silent"]
    pipeline: str
    run_id: str
    headline: str
    reasons: tuple[Reason, ...] = ()
    model: FileMetrics = FileMetrics()
    last_release: FileMetrics | None = None
    release: int | None = None
    run_url: str
    report_url: str | None = None

    @property
    def subject(self) -> str:
        """Return one line of at most 200 characters, the limit of a mail's subject."""
        return " ".join(f"{self.pipeline} {_TITLES[self.event]}: {self.headline}".split())[:200]

    def text(self) -> str:
        """Return the text after the subject."""
        lines = [f"run {self.run_id}"]
        lines += [f"- {reason.text}{f' ({reason.url})' if reason.url else ''}" for reason in self.reasons]
        lines += [f"{name}: {new}{f' (last release {old})' if old else ''}" for name, new, old in self._rows()]
        lines += [f"Report: {self.report_url}"] if self.report_url else []
        return "\n".join([*lines, f"Run: {self.run_url}"])

    def _rows(self) -> list[tuple[str, str, str]]:
        """Return rows of name, this run's value and the last release's, except those that this run lacks."""
        new, old = self.model, self.last_release or FileMetrics()
        rows = [
            (new.figure.name if new.figure else "", new.text, old.text),
            ("size", _bytes(new.size_bytes), _bytes(old.size_bytes)),
            ("latency", _milliseconds(new.latency_ms), _milliseconds(old.latency_ms)),
        ]
        return [row for row in rows if row[1]]


def _bytes(size: int | None) -> str:
    return "" if size is None else f"{size:,} bytes"


def _milliseconds(duration: float | None) -> str:
    return "" if duration is None else f"{duration:.3g} ms"
