"""`make audit`: both locks against the advisories that PyPI tells of, by pip-audit; not part of `make test`.

An advisory that is published tonight must not turn a change red that has nothing to do with it.
"""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pipeline_lib.places import PROJECT

AUDIT = "MNIST_LITE_TEST_AUDIT"
LOCKS = ("requirements.txt", "requirements-tfx.txt")
PIP_AUDIT = "pip-audit>=2.9,<3"


def pip_audit(requirements: Path) -> dict[str, Any]:
    """Its report; skips the test where it cannot give one."""
    uv = shutil.which("uv") or str(PROJECT / ".venvs" / "tools" / "bin" / "uv")
    command = [uv, "run", "--quiet", "--no-project", "--with", PIP_AUDIT, "pip-audit", "--format=json"]
    command += ["--progress-spinner=off", "--disable-pip", "--no-deps", f"--requirement={requirements}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return dict(json.loads(done.stdout))
    except (OSError, ValueError):
        why = done.stderr.strip().splitlines()[-1] if Path(uv).exists() and done.stderr.strip() else "no report"
        pytest.skip(f"NOT TESTED: pip-audit could not ask for advisories: {why:.200}")


def not_audited(report: dict[str, Any]) -> list[str]:
    """Why pins were passed over: pip-audit's exit code is 0 even if that is all of them."""
    return [item["skip_reason"] for item in report["dependencies"] if "skip_reason" in item]


def advisories(report: dict[str, Any]) -> list[str]:
    return [
        f"{item['name']} {item['version']}: {advisory['id']}, mended in {', '.join(advisory['fix_versions']) or 'none'}"
        for item in report["dependencies"]
        for advisory in item.get("vulns", ())
    ]


@pytest.mark.skipif(not os.environ.get(AUDIT), reason="NOT TESTED: it asks for every pin; make audit")
@pytest.mark.parametrize("lock", LOCKS)
def test_no_pin_has_a_known_advisory(lock: str, tmp_path: Path) -> None:
    text = (PROJECT / lock).read_text()
    first = re.search(r"^[\w.-]+==\S+", text, re.MULTILINE)
    assert first
    (tmp_path / "one.txt").write_text(first[0])
    if missing := not_audited(pip_audit(tmp_path / "one.txt")):
        pytest.skip(f"NOT TESTED: no advisory index can be reached: {missing[0]}")
    report = pip_audit(PROJECT / lock)
    assert (not_audited(report), advisories(report)) == ([], [])


def test_what_was_passed_over_is_not_taken_for_good() -> None:
    passed_over = {"name": "a", "skip_reason": "a was not found"}
    advisory = {"id": "PYSEC-1", "fix_versions": ["3"], "aliases": [], "description": "x"}
    bad = {"name": "b", "version": "2", "vulns": [advisory]}
    report = {"dependencies": [passed_over, bad, {"name": "c", "version": "1", "vulns": []}], "fixes": []}
    assert not_audited(report) == ["a was not found"]
    assert advisories(report) == ["b 2: PYSEC-1, mended in 3"]
