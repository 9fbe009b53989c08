"""Comparison of two files in LiteRT on the eval split of the newer one, by EdgeValidator's and the report's code."""

import math
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nightlite import native_log
from nightlite.errors import DataError, ModelFileError, NightliteError
from nightlite.ondevice.gates.gate import Gate
from nightlite.ondevice.gates.measurements import Measurements
from nightlite.ondevice.in_tfx.answers.eval_answers import mistake
from nightlite.ondevice.in_tfx.answers.eval_split import EvalSplit
from nightlite.ondevice.in_tfx.answers.spool import SpooledInputs
from nightlite.ondevice.in_tfx.answers.tally import Floats, Largest, Tally
from nightlite.ondevice.in_tfx.answers.task_measures import TaskMeasures, measures_of
from nightlite.ondevice.in_tfx.compare.candidate import Candidate
from nightlite.ondevice.in_tfx.edge_validator.processes import measure_in_child, measure_together
from nightlite.ondevice.in_tfx.report.comparison import model_column, with_inputs
from nightlite.ondevice.model import ModelCard, OnDeviceModel
from nightlite.ondevice.releases.manifest import sha256_of
from nightlite.ondevice.report.contents import Mistake, ModelColumn
from nightlite.ondevice.report.file_comparison import (
    KEYS,
    SHARE,
    ClassPair,
    ComparedFile,
    FigurePair,
    FileComparison,
    GatePair,
    verdict,
)
from nightlite.ondevice.settings import Settings

# Relative, of a quality: but for a few examples at the border of two classes, it is that of the manifest.
_SAME = 0.002


def require_one_contract(a: Candidate, b: Candidate) -> None:
    """Refuse two files of different contracts.

    Raises:
      DataError: their inputs, outputs or labels differ.
    """
    if changes := b.contract.changes(a.contract):
        raise DataError(
            f"expected two files with one contract. Received: {a.title} and {b.title}, which differ "
            f"({'; '.join(changes)}): no example means the same to both"
        )


def compared(a: Candidate, b: Candidate, model: OnDeviceModel, config: Settings) -> FileComparison:
    """Run both files on the newer one's eval split, and compare what they answer.

    Raises:
      DataError: the contracts differ, or the eval data no longer exists.
      ModelFileError: LiteRT cannot run one of the files.
    """
    require_one_contract(a, b)
    newer = a if a.created > b.created else b
    # The declaration may have changed since.
    card = model.card.model_copy(update={"task": b.contract.task})
    measures, folders = measures_of(card.task), config.folders(model.name)
    files = newer.eval_split(folders.data)
    with tempfile.TemporaryDirectory(prefix=".compare-", dir=folders.root) as spool:
        split = EvalSplit.spooled(files, b.contract.file, model.label_key, measures.label_type, Path(spool))
        measured, outputs = _run(a, b, split.inputs, newer.threads)
        tally = _tallied(split, outputs, measures)
        shown = _shown(tally.differing, split, card)
    sums = [sha256_of(item.file) for item in (a, b)]
    paired = tally.compare(KEYS[1], KEYS[0], sums[0])
    columns = [
        model_column(key, tally.figures(key), figures.size_bytes) for key, figures in zip(KEYS, measured, strict=True)
    ]
    return FileComparison(
        model=model.name,
        card=card,
        a=_described(a, b, sums[0]),
        b=_described(b, a, sums[1]),
        newer="A" if newer is a else "B",
        data=newer.data,
        examples=tally.examples,
        verdict=verdict(paired, same_file=sums[0] == sums[1]),
        note=_doubt(newer, columns[0 if newer is a else 1]),
        paired=paired,
        figures=(*_quality(*columns), *_speed(*measured)),
        classes=tuple(_classes(card.labels, *columns)),
        gates=tuple(_gates(a.gates, b.gates)),
        differing=tally.differing.count if card.labels else None,
        shown=shown,
    )


def _tallied(split: EvalSplit, outputs: Sequence[Iterable[Floats]], measures: TaskMeasures) -> Tally:
    tally = measures.tally(KEYS)
    for labels, *found in zip(split.label_batches(), *outputs, strict=True):
        tally.add(labels, dict(zip(KEYS, map(measures.answers, found), strict=True)))
    return tally


def _shown(found: Largest, split: EvalSplit, card: ModelCard) -> tuple[Mistake, ...]:
    inputs = split.inputs.take(np.array([example.index for example in found.examples], np.int64))
    return with_inputs(tuple(mistake(example, "disagree", KEYS) for example in found.examples), inputs, card.show)


def _run(
    a: Candidate, b: Candidate, inputs: SpooledInputs, threads: int
) -> tuple[list[Measurements], Sequence[Iterable[Floats]]]:
    """Return both files' figures, measured in turn, and their outputs."""
    with native_log.muted():
        try:
            return measure_in_child([a.file, b.file], inputs, threads)
        except ModelFileError as error:
            raise ModelFileError(f"{a.title}: {error}") from None
        except NightliteError:
            # Ask B alone for the reason.
            try:
                measure_together([b.file], inputs, threads)
            except ModelFileError as error:
                raise ModelFileError(f"{b.title}: {error}") from None
            raise


def _described(item: Candidate, other: Candidate, sha256: str) -> ComparedFile:
    return ComparedFile(
        title=item.title,
        run_id=item.run_id,
        created=item.created,
        sha256=sha256,
        data=item.data,
        quantization=str(item.measurements.get("quantization") or item.parameters.get("quantization") or "unknown"),
        refusals=tuple(str(gate) for gate in item.gates if not gate.passed),
        parameters=_differing(item.parameters, other.parameters),
    )


def _differing(own: Mapping[str, Any], others: Mapping[str, Any]) -> dict[str, Any]:
    """Return the run parameters that another run had with other values; none if that run's are not recorded."""
    told_apart = own.keys() - {"quantization"} if others else ()
    return {name: own[name] for name in sorted(told_apart) if others.get(name) != own[name]}


def _doubt(newer: Candidate, column: ModelColumn) -> str:
    """Return a sentence if the file's own run found another quality on these examples, else ""."""
    figure = column.figure
    recorded = newer.measurements.get("accuracy" if column.accuracy is not None else "mean_error")
    if figure is None or recorded is None or math.isclose(recorded, figure.value, rel_tol=_SAME):
        return ""
    return (
        f"{newer.title} had {figure.name} {recorded:.4g} in its own run, and has {figure.value:.4g} here: the eval "
        "data or this machine's runtime is another"
    )


def _quality(a: ModelColumn, b: ModelColumn) -> Iterator[FigurePair]:
    if a.accuracy is not None:
        yield FigurePair(name="accuracy", unit=SHARE, a=a.accuracy, b=b.accuracy)
        yield FigurePair(name="accuracy of the worst class", unit=SHARE, a=a.worst_class[1], b=b.worst_class[1])
        yield FigurePair(name="cross-entropy", unit="", a=a.loss, b=b.loss)
        return
    yield FigurePair(name="mean error", unit=a.unit, a=a.mean_error, b=b.mean_error)
    yield FigurePair(name="95th percentile of the error", unit=a.unit, a=a.p95_error, b=b.p95_error)
    yield FigurePair(name="bias", unit=a.unit, a=a.bias, b=b.bias)


def _speed(a: Measurements, b: Measurements) -> Iterator[FigurePair]:
    yield FigurePair(name="size", unit="bytes", a=a.size_bytes, b=b.size_bytes)
    yield FigurePair(name="loading", unit="ms", a=a.load_ms, b=b.load_ms)
    for name in ("p50", "p95"):
        yield FigurePair(
            name=f"latency {name}", unit="ms", a=getattr(a.latency_ms, name), b=getattr(b.latency_ms, name)
        )
    yield FigurePair(name="peak memory", unit="MiB", a=a.peak_memory_mib, b=b.peak_memory_mib)


def _classes(names: Sequence[str], a: ModelColumn, b: ModelColumn) -> Iterator[ClassPair]:
    """Yield the classes of the eval split, in the output's order; none of a regression."""
    if not names:
        return
    counts = map(sum, a.confusion)
    for name, count, *shares in zip(names, counts, a.class_accuracy, b.class_accuracy, strict=True):
        if count:
            yield ClassPair(label=name, examples=count, a=shares[0] or 0.0, b=shares[1] or 0.0)


def _gates(a: Sequence[Gate], b: Sequence[Gate]) -> Iterator[GatePair]:
    """Yield B's gates with A's of the same name and node, then those that only A had."""
    waiting = list(a)
    for gate in b:
        match = next((item for item in waiting if (item.node_id, item.name) == (gate.node_id, gate.name)), None)
        if match:
            waiting.remove(match)
        yield GatePair(subject=gate.subject, name=gate.name, node_id=gate.node_id, a=match, b=gate)
    for gate in waiting:
        yield GatePair(subject=gate.subject, name=gate.name, node_id=gate.node_id, a=gate, b=None)
