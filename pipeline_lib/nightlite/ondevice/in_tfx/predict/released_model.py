"""A release running in LiteRT, the runtime that phones use. TensorFlow is not needed."""

from collections.abc import Mapping

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from nightlite import native_log
from nightlite.errors import ReleaseError
from nightlite.ondevice.contract.file_contract import SIGNATURE, TensorContract
from nightlite.ondevice.in_tfx.golden_check import require_golden
from nightlite.ondevice.in_tfx.ingest.stored_rows import Raw
from nightlite.ondevice.in_tfx.ingest.tfrecords import scale
from nightlite.ondevice.model import Feature, OnDeviceModel
from nightlite.ondevice.releases.checked import checked
from nightlite.ondevice.releases.release import Release
from nightlite.ondevice.releases.store import Releases
from nightlite.ondevice.settings import Settings


class ReleasedModel:
    """One loaded release, whose file, signature and golden examples were checked.

    Args:
      model: its declaration, for what a manifest older than meanings does not say.
      settings: where the releases are, and the key that must have signed them, if any.
      version: default: the latest.

    Raises:
      ReleaseError: there is no such release, or it must not be used.
    """

    def __init__(self, model: OnDeviceModel, settings: Settings, version: int | None = None) -> None:
        self.release, content = _load(Releases(settings.folders(model.name).releases), settings, version)
        declared = {feature.tensor.name: feature.meaning for feature in model.features}
        self.features = tuple(
            Feature(
                tensor=TensorContract(name=item.name, dtype=item.dtype, shape=item.shape),
                meaning=item.meaning or declared[item.name],
            )
            for item in self.release.manifest.inputs
        )
        with native_log.muted():
            self._run = Interpreter(model_content=content).get_signature_runner(SIGNATURE)

    def ask(self, raw: Mapping[str, Raw]) -> NDArray[np.float32]:
        """Return the output for some examples, float32 [n, …].

        Args:
          raw: raw values [n, …] by the names of the features, whose meanings make the file's values of them.
        """
        [output] = self.release.manifest.outputs
        inputs = {
            item.tensor.name: scale(raw[item.tensor.name], item.meaning).reshape(-1, *item.tensor.shape[1:])
            for item in self.features
        }
        with native_log.muted():
            return np.asarray(self._run(**inputs)[output.name])


def _load(releases: Releases, settings: Settings, version: int | None) -> tuple[Release, bytes]:
    def read(release: Release) -> tuple[Release, bytes]:
        with checked(release, settings) as (copy, _):
            require_golden(copy)
            return Release(release.folder, copy.manifest), copy.model()

    if version is not None:
        return read(releases.release(version))
    found = releases.read_latest(read)
    if not found:
        raise ReleaseError(f"no release yet in {releases.folder}: a blessed model's Pusher makes the first")
    return found[1]
