"""Choice of a phone among the offers of a document. Clients in other languages do the same: docs/feed.md."""

import hashlib

from nightlite.ondevice.feed.document import Document, Offer
from nightlite.ondevice.rollout.plan import FULL

LITERT = "litert"


def chosen(document: Document, *, installation: str, app_version: int, runtime_version: str) -> Offer | None:
    """Return the first offer that this installation takes, or None if there is none for it.

    Args:
      installation: a random text that the app makes when it is installed, and keeps.
      runtime_version: of TensorFlow Lite, such as 2.17.0, or `litert`, which is newer than any.
    """
    for offer in document.offers:
        if (
            app_version >= offer.least_app_version
            and is_new_enough(runtime_version, offer.least_runtime_version)
            and bucket(installation, offer.version) < offer.share_permille
        ):
            return offer
    return None


def bucket(installation: str, version: int) -> int:
    """Return the place of an installation among the 1000 parts of a release's roll-out.

    It depends on nothing else, so an installation stays in while the share grows. It depends on the version, so the
    same phones are not the first each time.
    """
    first_bytes = hashlib.sha256(f"{installation}:{version}".encode()).digest()[:8]
    return int.from_bytes(first_bytes, "big") % FULL


def is_new_enough(runtime_version: str, least: str) -> bool:
    """Return whether a runtime can run a file that needs `least`."""
    return not least or runtime_version == LITERT or _numbers(runtime_version) >= _numbers(least)


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]
