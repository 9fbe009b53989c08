"""The page of a run whose data was refused: the gates, the anomalies, the statistics. DataGate writes it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from tfx.types import Artifact, artifact_utils

from pipeline_lib.gates import Gates
from pipeline_lib.report import RunReport, verdict
from pipeline_lib.report_files import REPORT_PAGE
from pipeline_lib.tfx.report import pages, sources


def write(
    folder: Path, judged: Gates, input_dict: Mapping[str, list[Artifact]], span: int, pipeline: str, run_id: str
) -> Path:
    """Write `report.html`, `statistics.html` and `report.json` into `folder`, which is made; returns the first's path.

    Args:
      judged: the gates, of which one at least has refused.
      input_dict: DataGate's; `statistics` and `anomalies` are read.

    Raises:
      OSError: the folder takes no files.
    """
    statistics = sources.statistics(artifact_utils.get_single_uri(input_dict["statistics"]))
    blessed, line = verdict(judged.gates)
    report = RunReport(
        pipeline=pipeline,
        run_id=run_id,
        created=datetime.now(UTC).replace(microsecond=0),
        blessed=blessed,
        verdict=line,
        gates=judged.gates,
        span=span,
        examples={feature.split: feature.examples for feature in statistics},
        statistics=statistics,
        anomalies=sources.anomalies(artifact_utils.get_single_uri(input_dict["anomalies"])),
        versions=sources.versions(),
    )
    folder.mkdir(parents=True, exist_ok=True)
    pages.write(pages.render_refused_data(report), folder)
    report.write(folder)
    return folder / REPORT_PAGE
