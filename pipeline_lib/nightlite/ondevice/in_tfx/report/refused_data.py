"""Page of a run whose data was refused: the gates, the anomalies, the statistics. DataGate writes it."""

from collections.abc import Mapping
from pathlib import Path

from tfx.dsl.components.base import base_executor
from tfx.types import Artifact, artifact_utils

from nightlite.ondevice.gates.gate import Gates
from nightlite.ondevice.in_tfx.report import pages, sources
from nightlite.ondevice.report.run_report import RunReport
from nightlite.ondevice.report_files import REPORT_PAGE


def write(
    folder: Path,
    judged: Gates,
    input_dict: Mapping[str, list[Artifact]],
    context: base_executor.BaseExecutor.Context | None,
) -> Path:
    """Write `report.html`, `statistics.html` and `report.json` into a new `folder`. Return the first's path.

    Args:
      judged: the gates, at least one of which refused.
      input_dict: DataGate's, of which `examples`, `statistics` and `anomalies` are read.
      context: DataGate's executor's.

    Raises:
      OSError: the folder cannot be written.
    """
    data = [artifact_utils.get_single_uri(input_dict[key]) for key in ("statistics", "anomalies")]
    examples = artifact_utils.get_single_instance(input_dict["examples"])
    report = RunReport(**sources.of_any_run(context, judged.gates, examples, *data))
    folder.mkdir(parents=True, exist_ok=True)
    pages.write(pages.render_refused_data(report), folder)
    report.write(folder)
    return folder / REPORT_PAGE
