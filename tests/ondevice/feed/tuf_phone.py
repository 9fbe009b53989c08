"""A phone with TUF's own client, on a folder in place of a server."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tuf.api.exceptions import DownloadHTTPError
from tuf.ngclient import Updater
from tuf.ngclient.fetcher import FetcherInterface

CHANNELS = ("beta", "stable")


class _Files(FetcherInterface):
    """TUF's client without a server: an address is a file's."""

    def _fetch(self, url: str) -> Iterator[bytes]:
        try:
            yield Path(url.removeprefix("file:")).read_bytes()
        except FileNotFoundError:
            raise DownloadHTTPError("none", 404) from None


def tufs_versions(folder: Path, root: bytes) -> Iterator[int]:
    """Yield the version that a phone with TUF's own client finds in each channel of a feed."""
    with tempfile.TemporaryDirectory() as kept:
        address = f"file:{folder}/"
        updater = Updater(kept, f"{address}tuf/", kept, address, fetcher=_Files(), bootstrap=root)
        updater.refresh()
        for number, channel in enumerate(CHANNELS):
            found = updater.get_targetinfo(f"{channel}/latest.json")
            assert found
            document = Path(updater.download_target(found, f"{kept}/{number}")).read_bytes()
            version = json.loads(document)["offers"][0]["version"]
            model = updater.get_targetinfo(f"files/{version}.tflite")
            assert model
            updater.download_target(model, f"{kept}/model")
            yield version
