"""Executor of OutcomeReport: copies the report of a run and adds the outcome."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils

from nightlite.ondevice.in_tfx.report import pages
from nightlite.ondevice.releases.manifest import MANIFEST_FILE, Manifest
from nightlite.ondevice.report.run_report import Report, RunOutcome
from nightlite.ondevice.report_files import EVALUATIONS_PAGE, REPORT_PAGE, STATISTICS_PAGE
from nightlite.ondevice.results.outcome import OUTCOME, Outcome


class Executor(base_executor.BaseExecutor):
    """Executor that writes ModelReport's files again, with the outcome in `report.html` and `report.json`.

    The output's custom properties are `outcome` and `reason`, the outcome in one line.
    """

    def Do(
        self,
        input_dict: Mapping[str, list[types.Artifact]],
        output_dict: Mapping[str, list[types.Artifact]],
        exec_properties: Mapping[str, Any],
    ) -> None:
        """Copy and extend the report. Inputs and outputs are those of `OutcomeReportSpec`."""
        before = Path(artifact_utils.get_single_uri(input_dict["report"]))
        made = artifact_utils.get_single_instance(output_dict["outcome_report"])
        folder, report = Path(made.uri), Report.read(before)
        # A Pusher that ran again after another approval has left two.
        pushed = max(input_dict["pushed_model"], key=lambda artifact: artifact.id)
        found = _outcome(pushed, report, (self._context and self._context.pipeline_run_id) or report.run_id)
        for name in (STATISTICS_PAGE, EVALUATIONS_PAGE):
            shutil.copyfile(before / name, folder / name)
        text = (before / REPORT_PAGE).read_text(encoding="utf-8")
        pages.write({REPORT_PAGE: pages.with_outcome(text, found, report)}, folder)
        report.model_copy(update={"outcome": found}).write(folder)
        made.set_string_custom_property(OUTCOME, found.outcome)
        made.set_string_custom_property("reason", found.headline)
        print(f"{found.headline}. {folder / REPORT_PAGE}", flush=True)


def _outcome(pushed: types.Artifact, report: Report, run_id: str) -> RunOutcome:
    decided = pushed.get_string_custom_property(OUTCOME)
    outcome = Outcome(decided or (Outcome.released if pushed.get_int_custom_property("pushed") else Outcome.refused))
    if outcome is not Outcome.released:
        why = report.verdict if report.blessed is False else pushed.get_string_custom_property("reason")
        return RunOutcome(outcome=outcome, headline=why or outcome.words.capitalize(), run_id=run_id)
    version = pushed.get_string_custom_property("pushed_version")
    file = Path(pushed.uri) / MANIFEST_FILE
    approval = Manifest.model_validate_json(file.read_text(encoding="utf-8")).approval if file.exists() else None
    headline = f"{outcome.words.capitalize()} as {version}" + (f", {approval}" if approval else "")
    return RunOutcome(
        outcome=outcome, headline=headline, run_id=run_id, release=int(version) if version else None, approval=approval
    )
