"""Every row by its name, with its measurement and its explanation."""

import statistics
from collections.abc import Callable

from bench.lab import PARAMETERS, Lab
from bench.row import Row

SIZES = {"1k": 1_000, "10k": 10_000, "60k": 60_000}
# Of these there are only runs of ours: the larger one's yardstick is the smaller one.
LARGE = {"100k": 100_000, "1m": 1_000_000}
HISTORIES = (1, 50, 200, 400)
_EPOCHS = f"{PARAMETERS['epochs']} epochs"


def dag_parse(name: str, lab: Lab) -> Row:
    ours, empty = lab.parses
    what = (
        "DagBag of a model's DAG file without `import airflow` | as many EmptyOperators as there are nodes, same edges"
    )
    return Row.of(name, "s", ours, empty, what=what)


def parse_100_nodes(name: str, lab: Lab) -> Row:
    few, half = (statistics.median(lab.synthetic_parses(nodes)[0]) for nodes in (25, 50))
    ours, empty = lab.synthetic_parses(100)
    growth = (statistics.median(ours) - half) / (half - few)
    what = (
        "a file of 100 nodes parsed and serialized again, imports not counted | as many EmptyOperators "
        f"(25 nodes: {few:.3g} s, 50: {half:.3g} s; the last 50 nodes cost {growth:.2g} times the 25 before; linear: 2)"
    )
    return Row.of(name, "s", ours, empty, what=what)


def parse_50_dags(name: str, lab: Lab) -> Row:
    ours, empty = lab.synthetic_parses(20, files=50)
    what = "50 files of 20 nodes parsed and serialized again, imports not counted | as many EmptyOperators"
    return Row.of(name, "s", ours, empty, what=what)


def noop_task(name: str, lab: Lab) -> Row:
    return Row.of(name, "s", _noop_seconds(lab), what="an Airflow task that does nothing, in a chain of eight")


def node_overhead_warm(name: str, lab: Lab) -> Row:
    per_run = [statistics.median(pair.ours.overheads()) for pair in lab.pairs(1_000)]
    what = "task less executor, median of all nodes, warm server | noop_task"
    return Row.of(name, "s", per_run, _noop_seconds(lab), what=what)


def node_overhead_cold(name: str, lab: Lab) -> Row:
    per_run = [statistics.median(lab.cold_run.overheads())]
    what = "task less executor, median of the first two nodes, fresh processes | noop_task"
    return Row.of(name, "s", per_run, _noop_seconds(lab), what=what)


def dag_run(examples: int) -> Callable[[str, Lab], Row]:
    def row(name: str, lab: Lab) -> Row:
        pairs = lab.pairs(examples)
        what = f"{examples:,} examples, {_EPOCHS}, trigger to end, nothing cached | LocalDagRunner without its imports"
        return Row.of(name, "s", [pair.ours.seconds for pair in pairs], [p.local_seconds for p in pairs], what=what)

    return row


def dag_run_with_imports(name: str, lab: Lab) -> Row:
    pairs = lab.pairs(1_000)
    local = [pair.local_seconds + pair.import_seconds for pair in pairs]
    return Row.of(
        name, "s", [pair.ours.seconds for pair in pairs], local, what="dag_run | LocalDagRunner with its imports"
    )


def examples_per_second(examples: int) -> Callable[[str, Lab], Row]:
    def row(name: str, lab: Lab) -> Row:
        pairs = lab.pairs(examples)
        ours = [examples / pair.ours.seconds for pair in pairs]
        local = [examples / pair.local_seconds for pair in pairs]
        what = f"through the whole pipeline, {_EPOCHS} | LocalDagRunner without its imports"
        return Row.of(name, "1/s", ours, local, better="higher", what=what)

    return row


def peak_memory(examples: int) -> Callable[[str, Lab], Row]:
    def row(name: str, lab: Lab) -> Row:
        pairs = lab.pairs(examples)
        local = [pair.local_peak_mebibytes for pair in pairs]
        what = "largest process, shared pages included | LocalDagRunner's"
        return Row.of(name, "MiB", [pair.ours.peak_mebibytes for pair in pairs], local, what=what)

    return row


def large_examples_per_second(examples: int, smaller: int | None = None) -> Callable[[str, Lab], Row]:
    def row(name: str, lab: Lab) -> Row:
        yardstick = [smaller / lab.large_run(smaller).seconds] if smaller else []
        run = lab.large_run(examples)
        what = f"{examples:,} examples, {_EPOCHS}, ours alone (longest: {run.longest()}){_against(smaller)}"
        return Row.of(name, "1/s", [examples / run.seconds], yardstick, better="higher", what=what)

    return row


def large_peak_memory(examples: int, smaller: int | None = None) -> Callable[[str, Lab], Row]:
    def row(name: str, lab: Lab) -> Row:
        yardstick = [lab.large_run(smaller).peak_mebibytes] if smaller else []
        what = f"largest process at {examples:,} examples, shared pages included{_against(smaller)}"
        return Row.of(name, "MiB", [lab.large_run(examples).peak_mebibytes], yardstick, what=what)

    return row


def cached_run(history: int) -> Callable[[str, Lab], Row]:
    def row(name: str, lab: Lab) -> Row:
        times = lab.cached_runs[str(history)]
        what = f"nothing new, all nodes in one process, {history} earlier runs | LocalDagRunner, TFX's own queries"
        return Row.of(name, "s", times["ours"], times["yardstick"], what=what)

    return row


def tflite_size(name: str, lab: Lab) -> Row:
    size = lab.model_files["size"]
    return Row.of(
        name, "bytes", size["ours"], size["yardstick"], what="the TFLite file | the Keras SavedModel's folder"
    )


def tflite_load(name: str, lab: Lab) -> Row:
    load = lab.model_files["load"]
    return Row.of(
        name, "ms", load["ours"], load["yardstick"], what="ai-edge-litert, tensors allocated | tf.saved_model.load"
    )


def tflite_latency(name: str, lab: Lab) -> Row:
    files = lab.model_files
    p90, p99 = (", ".join(f"{files[side][rank]:.3g}" for side in ("ours", "yardstick")) for rank in ("p90", "p99"))
    what = f"p50 of one image, one thread, ai-edge-litert | the SavedModel's lite signature (p90 {p90}; p99 {p99})"
    return Row.of(name, "ms", files["ours"]["p50"], files["yardstick"]["p50"], what=what)


def runtime(quantization: str, key: str, title: str) -> Callable[[str, Lab], Row]:
    def row(name: str, lab: Lab) -> Row:
        found = lab.runtimes(quantization)
        ours, yardstick = found[key], found["interpreter"]
        accelerated = {True: ", fully accelerated", False: ", not fully accelerated", None: ""}
        what = (
            f"p50 of one example in {title}; {ours['agreeing']} of {ours['examples']} golden examples agree, "
            f"largest difference {ours['largest_difference']:.1g}{accelerated[ours['fully_accelerated']]}"
        )
        if key == "interpreter":
            return Row.of(name, "ms", ours["latency_ms"], what=f"{what}; batches equal to the bit")
        return Row.of(name, "ms", ours["latency_ms"], yardstick["latency_ms"], what=f"{what} | the Interpreter")

    return row


def feed_check(name: str, lab: Lab) -> Row:
    found = lab.feed["check"]
    [without] = found["without_etag"]
    what = f"HTTP of a phone with nothing new, both directions (without an ETag {without:,.0f}) | python-tuf's client"
    return Row.of(name, "bytes", found["ours"], found["yardstick"], what=what)


def feed_publication(key: str, title: str) -> Callable[[str, Lab], Row]:
    def row(name: str, lab: Lab) -> Row:
        found = lab.feed[key]
        what = f"{title}: releases checked, documents signed, files synced | the same files, written and synced"
        return Row.of(name, "ms", found["ours"], found["yardstick"], what=what)

    return row


def feed_try(name: str, lab: Lab) -> Row:
    found = lab.try_page
    size = found["bytes"] / 1e6
    what = f"nightlite try's page, {size:.1f} MB, until its golden examples are checked | as large a page, no scripts"
    return Row.of(name, "ms", found["usable"]["ours"], found["usable"]["yardstick"], what=what)


# By the end of the row's name.
RUNTIMES = {
    "": ("interpreter", "the Interpreter"),
    "_compiled": ("compiled_model", "CompiledModel"),
    "_js": ("litert_js", "LiteRT.js in Chromium"),
}
FORMS = {"float": "none", "int8": "int8"}

ROWS: dict[str, Callable[[str, Lab], Row]] = {
    "dag_parse": dag_parse,
    "parse_100_nodes": parse_100_nodes,
    "parse_50_dags": parse_50_dags,
    "noop_task": noop_task,
    "node_overhead_warm": node_overhead_warm,
    "node_overhead_cold": node_overhead_cold,
    "dag_run": dag_run(SIZES["1k"]),
    "dag_run_with_imports": dag_run_with_imports,
    "dag_run_60k": dag_run(SIZES["60k"]),
    **{f"examples_per_second_{size}": examples_per_second(count) for size, count in SIZES.items()},
    **{f"peak_memory_{size}": peak_memory(count) for size, count in SIZES.items()},
    **{f"cached_run_{history}": cached_run(history) for history in HISTORIES},
    "tflite_size": tflite_size,
    "tflite_load": tflite_load,
    "tflite_latency": tflite_latency,
    **{
        f"runtimes_{form}{end}": runtime(quantization, key, title)
        for form, quantization in FORMS.items()
        for end, (key, title) in RUNTIMES.items()
    },
    "feed_check": feed_check,
    "feed_publish": feed_publication("release", "a release's first publication"),
    "feed_renew": feed_publication("renewal", "a publication without a new release"),
    "feed_try": feed_try,
    "examples_per_second_100k": large_examples_per_second(LARGE["100k"]),
    "examples_per_second_1m": large_examples_per_second(LARGE["1m"], smaller=LARGE["100k"]),
    "peak_memory_100k": large_peak_memory(LARGE["100k"]),
    "peak_memory_1m": large_peak_memory(LARGE["1m"], smaller=LARGE["100k"]),
}
# An hour or more: these are measured only if they are named.
LONG = tuple(f"{row}_{size}" for row in ("examples_per_second", "peak_memory") for size in LARGE)
QUICK = (
    "dag_parse",
    "parse_100_nodes",
    "parse_50_dags",
    "noop_task",
    "node_overhead_warm",
    "node_overhead_cold",
    "dag_run",
    "dag_run_with_imports",
)


def _against(smaller: int | None) -> str:
    return f" | {smaller:,} examples" if smaller else ""


def _noop_seconds(lab: Lab) -> list[float]:
    return [statistics.median(run.durations()) for run in lab.noop_runs]
