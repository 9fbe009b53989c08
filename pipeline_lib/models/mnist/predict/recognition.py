"""A release running in LiteRT, the runtime that phones use. TensorFlow is not needed."""

from collections.abc import Sequence

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from models.mnist.on_device import MODEL
from nightlite import native_log
from nightlite.errors import ReleaseError
from nightlite.ondevice.contract.app_contract import Input
from nightlite.ondevice.contract.file_contract import SIGNATURE
from nightlite.ondevice.in_tfx.golden_check import require_golden
from nightlite.ondevice.releases.checked import checked
from nightlite.ondevice.releases.release import Release
from nightlite.ondevice.releases.store import Releases
from nightlite.ondevice.settings import Settings

# Below it, no digit is likely: it may be a letter or a scribble.
LEAST_PROBABILITY = 0.5


class Answer(BaseModel):
    """A release's answer for one image: the likeliest label, and every label's probability."""

    model_config = ConfigDict(frozen=True)

    digit: str
    probabilities: dict[str, float]
    release: int

    @property
    def sure(self) -> bool:
        """Return whether the likeliest label is likely enough to rely on."""
        return self.probabilities[self.digit] >= LEAST_PROBABILITY


class Recogniser:
    """One loaded release, whose file, signature and golden examples were checked.

    Args:
      settings: where the releases are, and the key that must have signed them, if any.
      version: default: the latest.

    Raises:
      ReleaseError: there is no such release, or it must not be used.
    """

    def __init__(self, settings: Settings, version: int | None = None) -> None:
        self.release, content = _load(settings, version)
        with native_log.muted():
            self._run = Interpreter(model_content=content).get_signature_runner(SIGNATURE)

    def ask(self, images: Sequence[NDArray[np.uint8]]) -> list[Answer]:
        """Return an answer for each image.

        Args:
          images: each uint8 [28, 28], light ink on 0.
        """
        manifest = self.release.manifest
        [taken], [given] = manifest.inputs, manifest.outputs
        pixels = _values(np.stack(images).reshape(len(images), -1), taken)
        with native_log.muted():
            probabilities = np.asarray(self._run(**{taken.name: pixels})[given.name])
        return [
            Answer(
                digit=manifest.labels[int(row.argmax())],
                probabilities={label: float(value) for label, value in zip(manifest.labels, row, strict=True)},
                release=self.release.version,
            )
            for row in probabilities
        ]


def _values(pixels: NDArray[np.uint8], taken: Input) -> NDArray[np.float32]:
    """Return an input's values as the release's manifest says. An older manifest says nothing; then as declared."""
    meaning = taken.meaning or MODEL.features[0].meaning
    return pixels.astype(np.float32) * np.float32(meaning.scale) + np.float32(meaning.offset)


def _load(settings: Settings, version: int | None) -> tuple[Release, bytes]:
    def read(release: Release) -> tuple[Release, bytes]:
        with checked(release, settings) as (copy, _):
            require_golden(copy)
            return Release(release.folder, copy.manifest), copy.model()

    releases = Releases(settings.folders(MODEL.name).releases)
    if version is not None:
        return read(releases.release(version))
    found = releases.read_latest(read)
    if not found:
        raise ReleaseError(f"no release yet in {releases.folder}: a blessed model's Pusher makes the first")
    return found[1]
