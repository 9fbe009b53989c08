"""Which model a new one has to hold its own against: the release that phones have now."""

import json
from pathlib import Path

import ml_metadata
from absl import logging
from tfx import types
from tfx.components.evaluator import constants
from tfx.dsl.components.common import resolver

_MODEL_ID = constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY
_BLESSED = constants.ARTIFACT_PROPERTY_BLESSED_KEY


class ReleasedModelStrategy(resolver.ResolverStrategy):
    """Resolves `model` to what `push_dir/latest` was made of, else to the model that was blessed last.

    A rollback moves `latest`, and with it the baseline. Of the two blessings, `blessing` is EdgeValidator's
    InfraBlessing, which is given only when every gate passed, the Evaluators' among them: a model that one of them
    refused is never a baseline. No release and no blessed model: nothing, and the bounds on values alone decide.
    """

    def __init__(self, push_dir: str) -> None:
        self._manifest = Path(push_dir) / "latest" / "manifest.json"

    def resolve_artifacts(
        self, store: ml_metadata.MetadataStore, input_dict: dict[str, list[types.Artifact]]
    ) -> dict[str, list[types.Artifact]]:
        """The two input channels' keys with one artifact each, or none.

        Args:
          store: not asked for anything else.
          input_dict: `model`, all of the TFLite Trainer's, and `blessing`, all of EdgeValidator's.

        Raises:
          ValueError: the release's manifest is not JSON, or names no model.
        """
        blessings = {
            item.get_int_custom_property(_MODEL_ID): item
            for item in sorted(input_dict["blessing"], key=lambda item: int(item.id))
            if item.get_int_custom_property(_BLESSED) == 1
        }
        if self._manifest.exists():
            wanted = int(json.loads(self._manifest.read_text(encoding="utf-8"))["model_artifact_id"])
        else:
            wanted = max(blessings, key=lambda model_id: int(blessings[model_id].id), default=0)
        model = [item for item in input_dict["model"] if item.id == wanted]
        if wanted and not model:
            logging.warning("the last release was made of model %d, which is not in this metadata store", wanted)
        blessing = [blessings[wanted]] if model and wanted in blessings else []
        return {"model": model, "blessing": blessing}
