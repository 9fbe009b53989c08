"""Folders of one model below the state folder."""

from dataclasses import dataclass
from pathlib import Path

FEED_KEYS_FILE = "keys.json"  # in the folder of the feed's keys; where it is, there are feeds


@dataclass(frozen=True)
class ModelFolders:
    """Folders of one model: `var/<name>/` and what lies in it.

    Attributes:
      root: holds the others. One model's folders are never below another's.
    """

    root: Path

    @property
    def data(self) -> Path:
        """Return the folder of spans, laid out as `spans.py` says."""
        return self.root / "data"

    @property
    def drop(self) -> Path:
        """Return the folder that is watched for new data."""
        return self.root / "drop"

    @property
    def artifacts(self) -> Path:
        """Return the pipeline's root, which receives every artifact."""
        return self.root / "artifacts"

    @property
    def releases(self) -> Path:
        """Return the folder of releases, laid out as `releases/store.py` says."""
        return self.root / "releases"

    @property
    def feed(self) -> Path:
        """Return the folder that phones read, `var/feed/<name>/`.

        All models' feeds lie in one folder, so that a web server is given that and no other state.
        """
        return self.root.parent / "feed" / self.root.name
