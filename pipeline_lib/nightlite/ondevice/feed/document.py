"""Document `latest.json` of a channel: the releases that a phone may take. docs/feed.md says how an app reads it."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer

from nightlite.ondevice.rollout.plan import FULL
from nightlite.ondevice.rollout.state import Channel

DOCUMENT_FILE = "latest.json"
# It is renewed each night. A renewal that fails on a Friday night may be mended on Monday, at any hour.
VALID_FOR = timedelta(days=4)

Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
_Url = Annotated[
    str, Field(pattern=r"^files/[0-9a-f]{64}\.[1-9][0-9]*\.(tflite|golden\.json|labels\.txt|manifest\.json)$")
]
_Time = Annotated[
    AwareDatetime, PlainSerializer(lambda when: when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), return_type=str)
]


class _Read(BaseModel):
    """A part of the document. A reader ignores fields that it does not know."""

    model_config = ConfigDict(frozen=True)


class FeedFile(_Read):
    """A file of a release. Its `url` is relative to the feed's folder, and its content never changes."""

    sha256: Sha256
    size: int = Field(ge=0)
    url: _Url


class Offer(FeedFile):
    """A release's TFLite file, and the conditions under which a phone takes it.

    Attributes:
      golden: None in a release that is older than golden examples.
      least_runtime_version: of TensorFlow Lite, such as 2.17; any LiteRT is newer. "": not known, so any.
      share_permille: the share of installations that take it, of 1000.
    """

    version: int = Field(ge=1)
    golden: FeedFile | None
    labels: FeedFile
    manifest: FeedFile
    least_app_version: int = Field(ge=1)
    least_runtime_version: str = Field(pattern=r"^([0-9]+(\.[0-9]+)*)?$")
    share_permille: int = Field(ge=0, le=FULL)

    @property
    def files(self) -> tuple[FeedFile, ...]:
        """Return all files of the release, the model's first."""
        return (self, *(file for file in (self.golden, self.labels, self.manifest) if file))


class Document(_Read):
    """Content of `latest.json`. A reader of one `schema_version` would misread a newer one.

    Attributes:
      sequence: grows with each publication.
      key_id: the key that signed it.
      offers: the newest first. A phone takes the first whose conditions it meets.
    """

    schema_version: Literal[1] = 1
    model: str
    channel: Channel
    sequence: int = Field(ge=1)
    issued: _Time
    expires: _Time
    key_id: str
    offers: tuple[Offer, ...]

    def is_expired(self, now: datetime) -> bool:
        """Return whether a phone must no longer change anything on its account."""
        return now >= self.expires
