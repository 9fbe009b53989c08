"""Fetch MNIST's four public files with pooch, each from the first mirror that has it, and keep them."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pooch

from nightlite.errors import DownloadError
from nightlite.locks import lock

MIRRORS = (
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
)
RETRIES_PER_MIRROR = 3
# Each file's sha256.
FILES: Mapping[str, str] = {
    "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
}


def fetch(files: Mapping[str, str], folder: Path, mirrors: Sequence[str]) -> Path:
    """Download all of `files`, sha256 by name, into `folder`, and return it. An existing file causes no request.

    Raises:
      DownloadError: no mirror gave a file whole, or the folder cannot be written. One line has each one's reason.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with lock(folder, waiting_for="another download"):
            for name, sha256 in files.items():
                _fetch(name, sha256, folder, mirrors)
    except OSError as error:
        raise DownloadError(
            f"{folder}: the public files could not be kept: {error.strerror or error}. See to the disk, then try again"
        ) from None
    return folder


def _fetch(name: str, sha256: str, folder: Path, mirrors: Sequence[str]) -> None:
    failures = []
    for mirror in mirrors:
        base_url = f"{mirror.rstrip('/')}/"
        source = pooch.create(folder, base_url, registry={name: sha256}, retry_if_failed=RETRIES_PER_MIRROR)
        downloader = pooch.HTTPDownloader(
            progressbar=sys.stderr.isatty(),
            chunk_size=1 << 16,
            headers={"Accept-Encoding": "identity"},
            hooks={"response": _as_it_is},
        )
        try:
            source.fetch(name, downloader=downloader)
            return
        except (OSError, ValueError) as error:  # raised by requests and pooch
            failures.append(f"{mirror}: {error}")
    raise DownloadError(
        f"{name}: no mirror gave it whole ({'; '.join(failures) or 'there is none to ask'}). "
        "Try again later, or get the four files by other means and ingest their folder"
    )


def _as_it_is(response: Any, **_options: Any) -> None:
    # A server that labels the .gz file "Content-Encoding: gzip" must not have it unpacked.
    response.raw.headers.pop("Content-Encoding", None)
