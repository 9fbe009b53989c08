"""Headline of a run: the note in Airflow's grid, and the subject of an approval's question."""

from collections.abc import Iterable, Mapping, Sequence

from nightlite.ondevice.results.node_facts import facts_of
from nightlite.ondevice.results.outcome import Outcome
from nightlite.ondevice.results.quality import Quality
from nightlite.ondevice.results.run_summary import outcome_of, pusher_of, summarize
from nightlite.runner.node_result import NodeResult

_LONGEST = 200


def quality_and_size(quality: Quality, size_bytes: int | None) -> str:
    """Return the known ones as text, such as "99.17 %, 209.4 KiB" or "MAE 42.1 mg/dl, 4.5 KiB"."""
    known = [quality.figure.brief] if quality.figure else []
    return ", ".join([*known, *([] if size_bytes is None else [f"{size_bytes / 1024:.1f} KiB"])])


def headline(
    results: Mapping[str, NodeResult], failed: Sequence[str] | None = None, longest: int | None = _LONGEST
) -> str:
    """Return the outcome of a run in one line.

    Args:
      results: the nodes' results by node id, without nodes that left none.
      failed: the nodes of a failed run that failed themselves, the first one first; else None.
      longest: a longer line is cut; None: no line is.
    """
    outcome, pusher = outcome_of(results.values(), failed is not None), pusher_of(results.values())
    if outcome is None:
        return "done"
    if outcome is Outcome.failed:
        reasons = [results[node_id].reason for node_id in (failed or ())[:1] if node_id in results]
        return _short(": ".join(filter(None, [outcome.words, *(failed or ())[:1], *reasons])), longest)
    # Where no gate refused it, the Pusher did, and says why.
    if outcome is Outcome.refused and any(result.blessed is False for result in results.values()):
        refusals = refusals_of(results.values()) or ["the model is not blessed"]
        end = f"; and {len(refusals) - 1} more" if len(refusals) > 1 else ""
        return _short(f"{outcome.words}: {refusals[0]}", longest, end)
    if outcome is Outcome.released:
        model = summarize(results).tflite
        told = quality_and_size(model, model.bytes)
        return f"{outcome.words} {pusher and facts_of(pusher).pushed_version}" + (f": {told}" if told else "")
    return _short((pusher and pusher.reason) or outcome.words, longest)


def refusals_of(results: Iterable[NodeResult]) -> list[str]:
    """Return each gate that refused, in words, of the node that lists most: EdgeValidator lists the others' too."""
    return max((facts_of(result).refusals for result in results if result.blessed is False), key=len, default=[])


def _short(text: str, longest: int | None, end: str = "") -> str:
    line = " ".join(text.split())
    if longest is None or len(line) + len(end) <= longest:
        return line + end
    return f"{line[: longest - len(end) - 1]}…{end}"
