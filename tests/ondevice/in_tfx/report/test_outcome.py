"""OutcomeReport's executor: what became of a run, on its page and in its figures, beside the files of ModelReport."""

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from tfx.dsl.components.base import base_executor
from tfx.types import standard_artifacts

from nightlite.ondevice.approval import Approval
from nightlite.ondevice.in_tfx.report import pages
from nightlite.ondevice.in_tfx.report.outcome_executor import Executor
from nightlite.ondevice.releases.manifest import Manifest
from nightlite.ondevice.report.run_report import Report
from nightlite.ondevice.results.outcome import Outcome
from tests.ondevice.in_tfx.report.test_pages import REPORT, text

APPROVAL = Approval(decision="approved", user="ann", at=datetime(2026, 11, 24, 3, tzinfo=UTC))
BLESSED = "Blessed: all 21 gates passed"


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return ModelReport's folder: every gate was passed."""
    folder = tmp_path_factory.mktemp("report")
    report = REPORT.model_copy(update={"blessed": True, "verdict": BLESSED})
    pages.write(pages.render(report), folder)
    report.write(folder)
    return folder


def pusher_left(folder: Path, number: int, outcome: Outcome, **properties: str) -> standard_artifacts.PushedModel:
    pushed = standard_artifacts.PushedModel()
    pushed.uri, pushed.id = str(folder), number
    pushed.set_int_custom_property("pushed", int(outcome == Outcome.released))
    for name, value in {"outcome": outcome, **properties}.items():
        pushed.set_string_custom_property(name, value)
    return pushed


def reported(before: Path, folder: Path, *pushed: standard_artifacts.PushedModel) -> tuple[Report, str]:
    """Run the executor; returns the figures and the page's text."""
    folder.mkdir()
    report, output = standard_artifacts.Model(), standard_artifacts.Model()
    report.uri, output.uri = str(before), str(folder)
    context = base_executor.BaseExecutor.Context(tmp_dir=str(folder), unique_id="1", pipeline_run_id="tonight")
    Executor(context).Do({"report": [report], "pushed_model": list(pushed)}, {"outcome_report": [output]}, {})
    made = Report.read(folder)
    assert made.outcome
    told = [output.get_string_custom_property(name) for name in ("outcome", "reason")]
    assert told == [made.outcome.outcome, made.outcome.headline]
    return made, text((folder / "report.html").read_text())


@pytest.mark.parametrize(
    ("outcome", "mark", "reason"),
    [
        (Outcome.rolled_back, "✘", "not pushed: <b>root</b> rolled back from this very file"),
        (Outcome.not_approved, "✘", "not pushed: rejected by ann, 2026-11-24 03:00 UTC"),
        (Outcome.older_data, "✘", "older data: span 1, and release 2 has span 3"),
        (Outcome.no_better, "\u2013", "no detectable difference from release 2"),
        (Outcome.nothing_new, "\u2013", "nothing new: release 7 is this very file already"),
        (Outcome.dry_run, "\u2013", "dry run: would be released as 8"),
    ],
)
def test_a_blessed_run_that_pushed_nothing_says_so(
    before: Path, tmp_path: Path, outcome: Outcome, mark: str, reason: str
) -> None:
    held = {path.name: path.read_bytes() for path in before.iterdir()}
    report, page = reported(before, tmp_path / "1", pusher_left(tmp_path, 1, outcome, reason=reason))
    assert report.outcome and (report.outcome.outcome, report.outcome.headline) == (outcome, reason)
    assert f"{mark} {reason}" in page and f"✔ {BLESSED}" in page
    assert "run tonight ; nothing changed" in page.replace("tonight;", "tonight ;")
    assert b"Written before the push" in held["report.html"] and "Written before the push" not in page
    # ModelReport's artifact is published: no one writes into it.
    assert {path.name: path.read_bytes() for path in before.iterdir()} == held
    assert {path.name for path in (tmp_path / "1").iterdir()} == held.keys()


def test_a_release_is_named_with_its_approver(before: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rejected = pusher_left(tmp_path, 1, Outcome.not_approved, reason="rejected")
    pushed = pusher_left(tmp_path, 2, Outcome.released, pushed_version="7")
    report, page = reported(before, tmp_path / "a", pushed, rejected)  # asked again: the newest counts
    assert report.outcome and (report.outcome.headline, report.outcome.release) == ("Released as 7", 7)
    (tmp_path / "manifest.json").write_text("{}")
    monkeypatch.setattr(Manifest, "model_validate_json", lambda _: SimpleNamespace(approval=APPROVAL))
    report, page = reported(before, tmp_path / "b", pushed)
    assert "✔ Released as 7, approved by ann, 2026-11-24 03:00 UTC" in page
    assert report.outcome and report.outcome.approval == APPROVAL


def test_a_refused_runs_outcome_is_its_gates(before: Path, tmp_path: Path) -> None:
    refused = {"blessed": False, "verdict": "Refused by 1 of 21 gates: max_loss"}
    figures = Report.read(before).model_copy(update=refused)
    figures.write(tmp_path)
    pages.write(pages.render(figures), tmp_path)
    report, page = reported(tmp_path, tmp_path / "1", pusher_left(tmp_path, 1, Outcome.refused))
    assert report.outcome and report.outcome.headline == refused["verdict"]
    assert page.count(refused["verdict"]) == page.count(f"✘ {refused['verdict']}") == 1
    assert "run tonight" in page and "Written before the push" not in page
