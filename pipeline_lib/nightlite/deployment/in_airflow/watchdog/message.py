"""Notice of the watchdog's findings, in the form of a run's notices."""

from collections.abc import Sequence

from nightlite.deployment.in_airflow.watchdog.findings import Finding
from nightlite.ondevice.in_airflow.notice.message import Notice, Reason
from nightlite.runner.in_airflow.pages.links import base_url, run_url


def silent(dag_id: str, run_id: str, found: Sequence[Finding]) -> Notice:
    """Return one notice of all findings. Its subject names the DAGs, each once."""
    names = ", ".join(dict.fromkeys(finding.about for finding in found))
    [first, *others] = found
    return Notice(
        event="silent",
        pipeline=dag_id,
        run_id=run_id,
        headline=f"look at {names}" if others else f"{first.about} {first.text}",
        reasons=tuple(
            Reason(text=f"{finding.about} {finding.text}", url=f"{base_url()}{finding.path}" if finding.path else None)
            for finding in found
        ),
        run_url=run_url(dag_id, run_id),
    )
