"""Comparison of two files as tables for a terminal."""

from collections.abc import Iterator

from rich.box import SIMPLE
from rich.markup import escape
from rich.table import Column, Table

from nightlite.ondevice.gates.gate import Gate
from nightlite.ondevice.report.contents import Mistake
from nightlite.ondevice.report.file_comparison import KEYS, FileComparison
from nightlite.ondevice.results.percent import figure, percent, points

_TIME = "%Y-%m-%d %H:%M"
_MOST_CLASSES, _MOST_EXAMPLES = 20, 10


def tables(found: FileComparison) -> Iterator[Table | str]:
    """Yield the tables and the lines between them, the result of the paired test last."""
    yield _files(found)
    yield _figures(found)
    if found.classes:
        yield _classes(found)
    yield _gates(found)
    if found.shown:
        yield _examples(found)
    yield f"They differ on {found.differ(len(found.shown[:_MOST_EXAMPLES]))}"
    yield f"Compared on {escape(found.compared_on)}"
    if found.note:
        yield f"[red]{escape(found.note)}[/]"
    yield f"[bold]{escape(found.verdict)}[/]"


def _files(found: FileComparison) -> Table:
    table = Table("", Column("A", overflow="fold"), Column("B", overflow="fold"), box=SIMPLE)
    a, b = found.files
    rows = {
        "file": (a.title, b.title),
        "created (UTC)": (f"{a.created:{_TIME}}", f"{b.created:{_TIME}}"),
        "run": (a.run_id, b.run_id),
        "data": (a.data, b.data),
        "quantization": (a.quantization, b.quantization),
        "sha256": (a.sha256[:12], b.sha256[:12]),
    }
    for name in dict.fromkeys((*a.parameters, *b.parameters)):
        rows[name] = (str(a.parameters.get(name, "n/a")), str(b.parameters.get(name, "n/a")))
    for name, values in rows.items():
        table.add_row(name, *map(escape, values))
    return table


def _figures(found: FileComparison) -> Table:
    table = Table("", *_right("A", "B", "from A to B"), box=SIMPLE)
    for pair in found.figures:
        table.add_row(pair.name, *pair.texts)
    return table


def _classes(found: FileComparison) -> Table:
    """Return the classes in the output's order, or only those with the largest changes if there are many."""
    shown = found.classes
    if len(shown) > _MOST_CLASSES:
        shown = tuple(sorted(shown, key=lambda item: -abs(item.change))[:_MOST_CLASSES])
    title = f"the {len(shown)} of {len(found.classes)} classes that differ most" if shown != found.classes else ""
    table = Table("class", *_right(found.card.words.many, "A", "B", "from A to B"), box=SIMPLE, caption=title or None)
    for item in shown:
        change = points(item.change) if item.change else ""
        table.add_row(escape(item.label), f"{item.examples:,}", percent(item.a), percent(item.b), change)
    return table


def _gates(found: FileComparison) -> Table | str:
    """Return the gates that not both runs passed, or a line if there are none."""
    odd = [pair for pair in found.gates if not pair.passed_by_both]
    passed = f"Both runs passed {'all' if not odd else 'the other'} {len(found.gates) - len(odd)} gates"
    if not odd:
        return passed
    table = Table("gate", *_right("A", "B"), "parameter", "judged by", box=SIMPLE, caption=passed)
    for pair in odd:
        table.add_row(escape(pair.subject), _verdict(pair.a), _verdict(pair.b), pair.name, pair.node_id)
    return table


def _verdict(gate: Gate | None) -> str:
    if gate is None:
        return "no such gate"
    value = "not measured" if gate.value is None else figure(gate.value, gate.unit)
    return f"{value} {'passed' if gate.passed else '[red]REFUSED[/]'}"


def _examples(found: FileComparison) -> Table:
    shown = found.shown[:_MOST_EXAMPLES]
    table = Table(*_right(found.card.words.one), "is", "A says", "B says", box=SIMPLE)
    for example in shown:
        labels, unit = found.card.labels, found.card.task.unit
        label = labels[int(example.label)] if labels else figure(example.label, unit)
        table.add_row(str(example.index), escape(label), *(_answer(found, example, place) for place in (0, 1)))
    return table


def _answer(found: FileComparison, example: Mistake, place: int) -> str:
    answer, labels = example.probabilities[KEYS[place]], found.card.labels
    if not labels:
        return f"{figure(answer[0])} ({answer[0] - example.label:+.4g})"
    return f"{escape(labels[answer.index(max(answer))])} {percent(max(answer), 0)}"


def _right(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name, justify="right") for name in names)
