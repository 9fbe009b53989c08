"""A file to compare, and the record of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from nightlite.errors import DataError
from nightlite.ondevice import spans
from nightlite.ondevice.contract.app_contract import AppContract
from nightlite.ondevice.gates.gate import Gate
from nightlite.ondevice.report.contents import spans_in_words

EVAL = "eval"


@dataclass(frozen=True)
class Candidate:
    """A file, and the record of it.

    Attributes:
      title: for a reader, `release 7` or `run manual__…`.
      file: may be a private copy, which the end of `candidate` removes.
      contract: what an app relies on.
      gates: of its run.
      parameters: of its run; empty if they are not recorded.
      measurements: EdgeValidator's; empty if there are none.
      span: of its data, None if it is not recorded.
      eval_files: of the run's own Examples artifact, if they still exist.
    """

    title: str
    created: datetime
    run_id: str
    file: Path
    contract: AppContract
    gates: tuple[Gate, ...]
    parameters: Mapping[str, Any]
    measurements: Mapping[str, Any]
    span: int | None
    eval_files: tuple[str, ...] = ()

    @property
    def window(self) -> int:
        """Return the number of spans that its run read."""
        return int(self.parameters.get("window", 1))

    @property
    def data(self) -> str:
        """Return its spans in words."""
        return spans_in_words(self.span, self.window)

    @property
    def threads(self) -> int:
        """Return the number of threads that it was measured with."""
        return int(self.measurements.get("threads") or 1)

    def eval_split(self, data_dir: Path) -> list[str]:
        """Return the files of its eval split.

        Raises:
          DataError: they no longer exist, or its span is not recorded.
        """
        if self.eval_files:
            return list(self.eval_files)
        if self.span is None:
            raise DataError(f"{self.title} does not say its span of data, so there is nothing to compare on")
        if self.span not in spans.numbers(data_dir):
            raise DataError(
                f"expected the eval data of {self.title}, span {self.span} in {data_dir}. Received: no such span; "
                "put it back, or compare newer files"
            )
        chosen = spans.select(data_dir, str(self.span), self.window)
        return [str(span.path / name) for span in chosen for name in span.manifest.splits[EVAL].shards]
