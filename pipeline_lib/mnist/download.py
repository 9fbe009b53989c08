"""Fetch MNIST's four public files from the first mirror that gives them whole, and keep them.

What has come of a file is kept as `<name>.partial` and resumed with an HTTP Range request (RFC 9110, section 14); it
gets its name only when its sha256 is the published one. Every mirror serves the same bytes, so that a file begun at
one is finished at another.
"""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
from pydantic_settings import BaseSettings, SettingsConfigDict
from rich.console import Console
from rich.progress import DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

from pipeline_lib.errors import DownloadError
from pipeline_lib.locks import lock
from pipeline_lib.mnist.idx import GZIP_MAGIC

MIRRORS = (
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
)
ATTEMPTS_PER_MIRROR = 4
WAIT_BETWEEN_ATTEMPTS = wait_exponential_jitter(initial=0.5, max=8)
TIMEOUT = httpx.Timeout(30, connect=10)
_WORTH_ANOTHER_TRY = {408, 425, 429, 500, 502, 503, 504}


@dataclass(frozen=True)
class RemoteFile:
    """A public file: its name at every mirror, its size in bytes, and its sha256."""

    name: str
    size: int
    sha256: str


FILES = (
    RemoteFile(
        "train-images-idx3-ubyte.gz", 9912422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"
    ),
    RemoteFile("train-labels-idx1-ubyte.gz", 28881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
    RemoteFile(
        "t10k-images-idx3-ubyte.gz", 1648877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"
    ),
    RemoteFile("t10k-labels-idx1-ubyte.gz", 4542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
)


class _MirrorSettings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="MNIST_LITE_", frozen=True, extra="ignore")

    mnist_mirrors: str = ""


def mirrors_in_use() -> tuple[str, ...]:
    """The addresses in MNIST_LITE_MNIST_MIRRORS, separated by blanks; without it, the public mirrors."""
    return tuple(_MirrorSettings().mnist_mirrors.split()) or MIRRORS


class _TryAgainError(Exception):
    """This attempt failed in a way that the next one at the same mirror may not."""


def fetch(files: Sequence[RemoteFile], folder: Path, mirrors: Sequence[str]) -> Path:
    """Have all of `files` in `folder`, whole; gives `folder`. A file that is there already causes no request.

    Raises:
      DownloadError: no mirror gave a file whole, or it could not be written; one line with each mirror's reason.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with lock(folder, waiting_for="another download"):
            missing = [file for file in files if not _is_whole(folder / file.name, file)]
            if missing:
                with _progress() as progress, _client() as client:
                    for file in missing:
                        _Download(file, folder, client, progress).run(mirrors)
    except OSError as error:
        raise DownloadError(
            f"{folder}: the public files could not be kept: {error.strerror or error}. "
            "What has come is kept; see to the disk, then try again"
        ) from None
    return folder


class _Download:
    """One file on its way: the state that its attempts, at one mirror after the other, share."""

    def __init__(self, file: RemoteFile, folder: Path, client: httpx.Client, progress: Progress) -> None:
        self.file = file
        self.target = folder / file.name
        self.partial = folder / f"{file.name}.partial"
        self.client = client
        self.progress = progress
        self.task: TaskID = progress.add_task(file.name, total=file.size)

    def run(self, mirrors: Sequence[str]) -> None:
        failures = []
        for mirror in mirrors:
            try:
                return self._from_mirror(f"{mirror.rstrip('/')}/{self.file.name}")
            except (DownloadError, _TryAgainError, httpx.HTTPError, httpx.InvalidURL) as error:
                failures.append(f"{mirror}: {str(error) or type(error).__name__}")
        raise DownloadError(
            f"{self.file.name}: no mirror gave it whole ({'; '.join(failures) or 'there is none to ask'}). "
            "Try again later, or get the four files by other means and ingest their folder"
        )

    def _from_mirror(self, url: str) -> None:
        retrying = Retrying(
            retry=retry_if_exception_type((_TryAgainError, httpx.TransportError)),
            stop=stop_after_attempt(ATTEMPTS_PER_MIRROR),
            wait=WAIT_BETWEEN_ATTEMPTS,
            before_sleep=self._say_why,
            reraise=True,
        )
        retrying(self._attempt, url)

    def _attempt(self, url: str) -> None:
        start = _size(self.partial)
        if start < self.file.size:
            self._receive(url, start)
        if not _is_whole(self.partial, self.file):
            size = _size(self.partial)
            if size < self.file.size:
                raise _TryAgainError(f"expected {self.file.size:,} bytes. Received: {size:,}")
            found = "more" if size > self.file.size else f"sha256 {_sha256(self.partial)}"
            wrong = f"expected {self.file.size:,} bytes with sha256 {self.file.sha256}. Received: {found}"
            self.partial.unlink()
            # What was there before this request may be what is wrong, so the mirror gets a chance from the start.
            raise _TryAgainError(wrong) if start else DownloadError(wrong)
        with self.partial.open("rb") as file:
            os.fsync(file.fileno())
        self.partial.replace(self.target)

    def _receive(self, url: str, start: int) -> None:
        headers = {"Range": f"bytes={start}-"} if start else {}
        with self.client.stream("GET", url, headers=headers) as response:
            resumed = self._check(response, start)
            position = start if resumed else 0
            # iter_raw: a server that labels the .gz file "Content-Encoding: gzip" must not have it unpacked.
            for chunk in response.iter_raw():
                if position == 0 and chunk[:2] != GZIP_MAGIC[: len(chunk)]:
                    raise DownloadError(f"expected a gzip file. Received: one that begins {chunk[:16]!r}")
                # Never more than one byte too many: enough to know, whatever a server goes on to send.
                wanted = chunk[: self.file.size + 1 - position]
                with self.partial.open("ab" if position else "wb") as file:
                    file.write(wanted)
                position += len(wanted)
                self.progress.update(self.task, completed=position)
                if position > self.file.size:
                    return

    def _check(self, response: httpx.Response, start: int) -> bool:
        """Whether the server goes on at `start` (True) or begins anew (False)."""
        status = f"{response.status_code} {response.reason_phrase}".strip()
        if response.headers.get("Content-Type", "").startswith("text/html") and response.is_success:
            raise DownloadError(f"expected a gzip file. Received: an HTML page from {response.url}")
        if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
            self.partial.unlink(missing_ok=True)
        if response.status_code in _WORTH_ANOTHER_TRY | {httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE}:
            raise _TryAgainError(f"expected the file. Received: {status}")
        if response.status_code == httpx.codes.PARTIAL_CONTENT:
            if not start or not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
                raise DownloadError(f"expected the bytes from {start} on. Received: another part of the file")
            return True
        if response.status_code != httpx.codes.OK:
            raise DownloadError(f"expected the file. Received: {status}")
        return False

    def _say_why(self, state: RetryCallState) -> None:
        error = state.outcome and state.outcome.exception()
        self.progress.console.print(f"{self.file.name}: {error}; trying again", soft_wrap=True, markup=False)


def _is_whole(path: Path, file: RemoteFile) -> bool:
    return _size(path) == file.size and _sha256(path) == file.sha256


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _sha256(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _client() -> httpx.Client:
    # Unpacked or re-packed on the way, the bytes would not be the published ones, and a Range would not fit them.
    return httpx.Client(follow_redirects=True, timeout=TIMEOUT, headers={"Accept-Encoding": "identity"})


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True))
