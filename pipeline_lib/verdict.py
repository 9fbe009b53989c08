"""What came of a run, in one line: the note in Airflow's grid, and the subject of a question about it."""

from collections.abc import Iterable, Mapping, Sequence

from pipeline_lib.node_result import NodeResult
from pipeline_lib.run_summary import summarize

_LONGEST = 200


def figures(accuracy: float | None, size_bytes: int | None) -> str:
    """For example "99.17 %, 209.4 KiB"; what is not known is left out."""
    known = [] if accuracy is None else [f"{accuracy * 100:.4g} %"]
    return ", ".join([*known, *([] if size_bytes is None else [f"{size_bytes / 1024:.1f} KiB"])])


def verdict(results: Mapping[str, NodeResult], failed: Sequence[str] = ()) -> str:
    """The run's outcome in at most 200 characters.

    Args:
      results: the nodes' results by node id; nodes that left none are missing.
      failed: the nodes that failed of themselves, the first one first.
    """
    if failed:
        reason = results[failed[0]].reason if failed[0] in results else None
        return _short(f"failed: {failed[0]}" + (f": {reason}" if reason else ""))
    refusals = refusals_of(results.values())
    if refusals:
        return _short(f"refused: {refusals[0]}", f"; and {len(refusals) - 1} more" if len(refusals) > 1 else "")
    if any(result.blessed is False for result in results.values()):
        return "refused: the model is not blessed"
    pusher = next((result for result in results.values() if result.pushed is not None), None)
    if pusher and pusher.pushed:
        model = summarize(results).tflite
        told = figures(model.accuracy, model.bytes)
        return f"released {pusher.pushed_version}" + (f": {told}" if told else "")
    return _short((pusher and pusher.reason) or "done")


def refusals_of(results: Iterable[NodeResult]) -> list[str]:
    """Each gate that refused, in words: of the node that lists most, because EdgeValidator lists the others', too."""
    return max((result.refusals for result in results if result.blessed is False), key=len, default=[])


def _short(text: str, end: str = "") -> str:
    line = " ".join(text.split())
    room = _LONGEST - len(end)
    return (line if len(line) <= room else line[: room - 1] + "…") + end
