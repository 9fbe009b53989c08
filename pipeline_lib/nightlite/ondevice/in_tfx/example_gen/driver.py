"""Driver of SpanExampleGen: finds and checks the spans of this run before the cache lookup."""

import glob
from pathlib import Path
from typing import Any

from ml_metadata.proto import metadata_store_pb2
from tfx.components.example_gen import driver, utils
from tfx.orchestration import data_types
from tfx.orchestration.portable import data_types as portable_data_types
from tfx.proto import example_gen_pb2
from tfx.proto.orchestration import driver_output_pb2
from tfx.types import standard_component_specs
from tfx.utils import io_utils, proto_utils

from nightlite.errors import DataError
from nightlite.ondevice.in_tfx.artifact_types import SOURCES
from nightlite.ondevice.in_tfx.example_gen.executor import PATTERN_SEPARATOR
from nightlite.ondevice.spans import select

# In `span`, TFX's own driver leaves the number that it found.
ASKED_SPAN = "asked_span"
WINDOW = "window"
AS_OF = "as_of"
SPANS = "spans"
_PLACEHOLDER = "{SPAN}"


class Driver(driver.FileBasedDriver):
    """Driver that replaces the parameters by the spans that they select, so that they are not in the cache key.

    MLMD keeps the parameters, because the execution was registered before this call.
    """

    def resolve_exec_properties(
        self,
        exec_properties: dict[str, Any],
        pipeline_info: data_types.PipelineInfo,
        component_info: data_types.ComponentInfo,
    ) -> dict[str, Any]:
        """Return the exec properties for the executor and the cache key.

        Raises:
          DataError: a span is missing, has no files of a split, or is damaged.
        """
        del pipeline_info, component_info
        base = exec_properties[standard_component_specs.INPUT_BASE_KEY]
        found = select(Path(base), exec_properties[ASKED_SPAN], exec_properties[WINDOW], exec_properties[AS_OF])
        numbers = [span.number for span in found]
        print(f"reads {', '.join(span.path.name for span in found)} of {base}", flush=True)
        config = example_gen_pb2.Input()
        proto_utils.json_to_proto(exec_properties[standard_component_specs.INPUT_CONFIG_KEY], config)
        fingerprints = []
        for split in config.splits:
            patterns = [split.pattern.replace(_PLACEHOLDER, str(number)) for number in numbers]
            fingerprints += [_fingerprint(split.name, Path(base, pattern)) for pattern in patterns]
            split.pattern = PATTERN_SEPARATOR.join(patterns)
        return {
            **exec_properties,
            standard_component_specs.INPUT_CONFIG_KEY: proto_utils.proto_to_json(config),
            utils.SPAN_PROPERTY_NAME: numbers[-1],
            utils.VERSION_PROPERTY_NAME: None,
            utils.FINGERPRINT_PROPERTY_NAME: "\n".join(fingerprints),
            SPANS: ",".join(map(str, numbers)),
            SOURCES: ", ".join(dict.fromkeys(span.manifest.source for span in found)),
            # The same spans are the same work, however they were selected.
            **{ASKED_SPAN: "", WINDOW: 0, AS_OF: ""},
        }

    def run(self, execution_info: portable_data_types.ExecutionInfo) -> driver_output_pb2.DriverOutput:
        """Run TFX's driver, and put all spans and their sources on the artifact."""
        result = super().run(execution_info)
        artifact: metadata_store_pb2.Artifact
        [artifact] = result.output_artifacts[standard_component_specs.EXAMPLES_KEY].artifacts
        for name in (SPANS, SOURCES):
            artifact.custom_properties[name].string_value = result.exec_properties[name].string_value
        return result


def _fingerprint(split: str, pattern: Path) -> str:
    if not glob.glob(str(pattern)):
        raise DataError(f"expected files {pattern} for the split {split!r}. Received: none; ingest again")
    return str(io_utils.generate_fingerprint(split, str(pattern)))
