"""Baseline that a new model is compared with: the release that phones have now."""

import json
from collections.abc import Mapping
from pathlib import Path

import ml_metadata
from absl import logging
from ml_metadata.proto import metadata_store_pb2
from tfx import types
from tfx.components.evaluator import constants
from tfx.dsl.components.common import resolver
from tfx.types import standard_artifacts
from tfx.utils import path_utils

from nightlite import durable
from nightlite.errors import ReleaseError
from nightlite.ondevice.contract.app_contract import AppContract, Input
from nightlite.ondevice.contract.file_contract import TFLITE_FILE, FileContract
from nightlite.ondevice.gates.measurements import MEASUREMENTS_FILE
from nightlite.ondevice.releases.anchor import anchor as anchor_of
from nightlite.ondevice.releases.contract_change import TAKEN_FILE, taken_app_version
from nightlite.ondevice.releases.manifest import MANIFEST_FILE, sha256_of
from nightlite.ondevice.releases.release import Release
from nightlite.ondevice.releases.store import Releases

_MODEL_ID = constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY
_BLESSED = constants.ARTIFACT_PROPERTY_BLESSED_KEY
_LIVE = metadata_store_pb2.Artifact.LIVE
_TFLITE_PATH = str(Path(path_utils.serving_model_dir(""), TFLITE_FILE))


class ReleasedModelStrategy(resolver.ResolverStrategy):
    """Strategy that resolves `model` to the model of `push_dir/latest`, else to the last blessed model.

    `anchor` is the model of the release that `releases.anchor` names, if that is not the latest.

    A rollback moves `latest`, and with it the baseline. A release is matched by its file's sha256. In a new
    metadata store, the id in its manifest is missing or another model's, maybe a refused one. Then the release's
    own file is the baseline, as a copy in `imported_dir`, laid out as a model's artifact.

    Of the two blessings, `blessing` is EdgeValidator's InfraBlessing. It is given only if every gate passed, the
    Evaluators' included, so a refused model is never a baseline. Without a release and a blessed model nothing is
    resolved, and only the bounds on values decide.

    Nothing can be compared with a release of another contract. It takes other inputs, or its answers mean something
    else. Then only `replaced` is resolved: a copy of that release, with its manifest and `TAKEN_FILE`.

    Args:
      push_dir: the releases.
      imported_dir: receives copies of releases.
      contract: JSON of the candidate's AppContract.
    """

    def __init__(self, push_dir: str, imported_dir: str, contract: str) -> None:
        self._releases = Releases(Path(push_dir))
        self._imported_dir = Path(imported_dir)
        self._contract = AppContract.model_validate_json(contract)

    def resolve_artifacts(
        self, store: ml_metadata.MetadataStore, input_dict: dict[str, list[types.Artifact]]
    ) -> dict[str, list[types.Artifact]]:
        """Return the input channels' keys with one artifact each, or none.

        Args:
          store: is searched for a copy of a release that an earlier run imported.
          input_dict: `model` has all of the TFLite Trainer's. So have `anchor` and `replaced`, if they are wanted.
            `blessing` has all of EdgeValidator's.

        Raises:
          ReleaseError: the latest release's manifest cannot be read, or it is `replaced` and its file is damaged.
        """
        blessings = {
            item.get_int_custom_property(_MODEL_ID): item
            for item in sorted(input_dict["blessing"], key=lambda item: int(item.id))
            if item.get_int_custom_property(_BLESSED) == 1
        }
        release = self._releases.latest()
        if release and self._contract.changes(release.manifest.app_contract):
            nothing: dict[str, list[types.Artifact]] = {key: [] for key in input_dict}
            return nothing | ({"replaced": [self._replaced(release, store)]} if "replaced" in input_dict else {})
        if release:
            model = self._model_of(release, store, input_dict["model"])
        else:
            usable = (model_id for model_id, blessing in blessings.items() if self._takes_the_same(blessing))
            wanted = max(usable, key=lambda model_id: int(blessings[model_id].id), default=0)
            model = [item for item in input_dict["model"] if item.id == wanted]
        found = {"model": model, "blessing": [blessings[item.id] for item in model if item.id in blessings]}
        if "anchor" in input_dict:
            found["anchor"] = self._anchor(release, store, input_dict["model"])
        return {**{key: [] for key in input_dict}, **found}

    def _takes_the_same(self, blessing: types.Artifact) -> bool:
        """Return whether a blessed file, which has no manifest, has the candidate's inputs and output."""
        file = Path(blessing.uri, MEASUREMENTS_FILE)
        if not file.exists():
            return True
        measured = FileContract.model_validate(json.loads(file.read_text(encoding="utf-8"))["contract"])
        inputs = tuple(Input(**dict(tensor)) for tensor in measured.inputs)
        return not self._contract.changes(
            self._contract.model_copy(update={"inputs": inputs, "output": measured.output})
        )

    def _anchor(
        self, latest: Release | None, store: ml_metadata.MetadataStore, models: list[types.Artifact]
    ) -> list[types.Artifact]:
        """Return the anchor of the releases, unless its file is the latest one's or its contract another."""
        anchor = anchor_of(self._releases)
        if not latest or not anchor or anchor.manifest.sha256 == latest.manifest.sha256:
            return []
        if self._contract.changes(anchor.manifest.app_contract):
            return []
        return self._model_of(anchor, store, models)

    def _model_of(
        self, release: Release, store: ml_metadata.MetadataStore, models: list[types.Artifact]
    ) -> list[types.Artifact]:
        manifest = release.manifest
        for item in models:
            if item.id == manifest.model_artifact_id and _holds(Path(item.uri), manifest.sha256):
                return [item]
        what = f"release {release.version} was made of model {manifest.model_artifact_id}"
        what += f", whose file, sha256 {manifest.sha256}, this metadata store does not have"
        try:
            model = self._imported(release, store)
        except ReleaseError as error:
            logging.warning("%s; nor can its own file be used: nothing is compared with it. %s", what, error)
            return []
        logging.warning("%s: the release's own file takes its place", what)
        return [model]

    def _imported(self, release: Release, store: ml_metadata.MetadataStore) -> types.Artifact:
        return self._copied(f"sha256-{release.manifest.sha256}", {_TFLITE_PATH: release.model()}, store)

    def _replaced(self, release: Release, store: ml_metadata.MetadataStore) -> types.Artifact:
        """Return a copy with the manifest, whose sum names it: the same file may have another meaning."""
        manifest, taken = release.folder / MANIFEST_FILE, taken_app_version(self._contract, self._releases)
        files = {
            _TFLITE_PATH: release.model(),
            MANIFEST_FILE: manifest.read_bytes(),
            TAKEN_FILE: str(taken).encode(),
        }
        return self._copied(f"manifest-sha256-{sha256_of(manifest)}-{taken}", files, store)

    def _copied(self, name: str, files: Mapping[str, bytes], store: ml_metadata.MetadataStore) -> types.Artifact:
        """Return the artifact of a folder with these files, which is made unless it exists."""
        # Execution folders have numbers as names. Another name keeps retention from removing it.
        folder = self._imported_dir / name
        if any(not (folder / path).is_file() or (folder / path).read_bytes() != files[path] for path in files):
            if folder.exists():
                durable.remove(folder)
            folder.parent.mkdir(parents=True, exist_ok=True)
            with durable.new_folder(folder) as partial:
                for path, content in files.items():
                    (partial / path).parent.mkdir(exist_ok=True)
                    durable.write(partial / path, content)
        model = standard_artifacts.Model()
        # The same artifact every night, so that Evaluators can be answered from cache.
        known = [item for item in store.get_artifacts_by_uri(str(folder)) if item.state == _LIVE]
        if known:
            model.set_mlmd_artifact(known[0])
        else:
            model.uri, model.is_external, model.mlmd_artifact.state = str(folder), True, _LIVE
        return model


def _holds(folder: Path, sha256: str) -> bool:
    return any(path.is_file() and sha256_of(path) == sha256 for path in folder.rglob("*"))
