"""The browsers' runtime that the page holds: built by `make web`, and part of the containers' image."""

import base64
import functools
from dataclasses import dataclass
from pathlib import Path

from nightlite.errors import WebRuntimeError
from nightlite.paths import WEB_RUNTIME

HOW_TO_BUILD = "run 'make web', which needs npm (Debian: apt-get install npm); the containers' image has it"


@dataclass(frozen=True)
class WebRuntime:
    """The runtime's script, its gzipped WebAssembly as base64, and its licence's text."""

    script: str
    wasm: str
    licence: str


def web_runtime(folder: Path = WEB_RUNTIME) -> WebRuntime:
    """Return the runtime.

    Raises:
      WebRuntimeError: it was not built. The message says how.
    """
    try:
        # Another build is another runtime, also in a server that runs on.
        return _read(folder, (folder / "litert.wasm.gz").stat().st_mtime_ns)
    except OSError as error:
        raise WebRuntimeError(
            f"{folder}: expected the browsers' runtime. Received: {error.strerror}; {HOW_TO_BUILD}"
        ) from None


@functools.lru_cache(maxsize=1)
def _read(folder: Path, _: int) -> WebRuntime:
    return WebRuntime(
        script=(folder / "litert.js").read_text(encoding="utf-8"),
        wasm=base64.b64encode((folder / "litert.wasm.gz").read_bytes()).decode(),
        licence=(folder / "LICENSE").read_text(encoding="utf-8"),
    )
