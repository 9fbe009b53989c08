"""Ingest so many examples from each kind of file, and print each ingest's time and peak memory.

    python -m bench.tfx.sources EXAMPLES [KIND ...]

The files are MNIST's four, gzip-compressed and not, with the digits of `bench.tfx.digits`, and tables of made up
penguins. Each is ingested in a process of its own, whose peak includes TensorFlow. All data are in a temporary folder,
which is removed at the end.
"""

import argparse
import gzip
import os
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv

from bench.peak_memory import PeakMemory
from bench.tfx.digits import EVAL_SHARE, dataset
from models.mnist.model.features import IMAGE_KEY, IMAGE_SIDE
from models.mnist.on_device import MODEL as MNIST
from models.penguins.features import CATEGORIES, LABEL_KEY, LABELS, MEASURES
from models.penguins.on_device import MODEL as PENGUINS

_ROWS = 100_000


def write_idx(examples: int, folder: Path, ending: str) -> None:
    """Write MNIST's four files."""

    def opened(name: str) -> BinaryIO | gzip.GzipFile:
        path = folder / f"{name}{ending}"
        return gzip.open(path, "wb", compresslevel=1) if ending else path.open("wb")

    for split, prefix in zip(dataset(examples).splits.values(), ("train", "t10k"), strict=True):
        with opened(f"{prefix}-images-idx3-ubyte") as file:
            file.write(struct.pack(">IIII", 0x803, len(split), IMAGE_SIDE, IMAGE_SIDE))
            for images in split.values(IMAGE_KEY):
                file.write(images.tobytes())
        with opened(f"{prefix}-labels-idx1-ubyte") as file:
            file.write(struct.pack(">II", 0x801, len(split)) + split.labels.astype(np.uint8).tobytes())


def tables(examples: int) -> Iterator[pa.Table]:
    """Yield rows of penguins, that many in all. They are the same every time."""
    draw = np.random.default_rng(1)
    for first in range(0, examples, _ROWS):
        count = min(_ROWS, examples - first)
        measures = {name: np.round(draw.normal(100, 20, count), 1) for name in MEASURES}
        words = {name: draw.choice(known, count) for name, known in {**CATEGORIES, LABEL_KEY: LABELS}.items()}
        yield pa.table({**measures, **words})


def write_table(examples: int, file: Path, writer_of: Callable[[str, pa.Schema], Any]) -> None:
    """Write a table of penguins by Arrow's writer of that form."""
    rows = tables(examples)
    first = next(rows)
    with writer_of(str(file), first.schema) as writer:
        for table in (first, *rows):
            writer.write_table(table)


def ingest(function: str, source: Path, data_dir: Path) -> str:
    """Ingest a source in a process of its own. Return a row of a Markdown table without its first cell."""
    command = [sys.executable, "-m", "nightlite.ondevice.in_tfx.ingest.run_ingest", function, str(source)]
    started = time.monotonic()
    process = subprocess.Popen([*command, str(data_dir)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr
    with PeakMemory([process.pid]) as peak:
        said = process.stderr.read().decode(errors="replace")
        _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{source}: {said}")
    cpu_seconds = usage.ru_utime + usage.ru_stime
    return f"{time.monotonic() - started:,.0f} | {cpu_seconds:,.0f} | {peak.mebibytes:,.0f} |"


def main() -> None:
    writers: dict[str, tuple[str, Callable[[int, Path], None]]] = {
        "idx": (MNIST.ingest, lambda count, folder: write_idx(count, folder, "")),
        "idx.gz": (MNIST.ingest, lambda count, folder: write_idx(count, folder, ".gz")),
        "csv": (PENGUINS.ingest, lambda count, folder: write_table(count, folder / "all.csv", csv.CSVWriter)),
        "parquet": (
            PENGUINS.ingest,
            lambda count, folder: write_table(count, folder / "all.parquet", pq.ParquetWriter),
        ),
    }
    parser = argparse.ArgumentParser(prog="python -m bench.tfx.sources", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("examples", type=int, metavar="EXAMPLES", help=f"{EVAL_SHARE:.0%}% of them for evaluation")
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"{', '.join(writers)}; all of them by default")
    options = parser.parse_args()
    if unknown := set(options.kinds) - set(writers):
        parser.error(f"expected kinds of {', '.join(writers)}. Received: {', '.join(sorted(unknown))}")
    print("| source | s | CPU s | peak MiB |\n| --- | ---: | ---: | ---: |", flush=True)
    for kind in options.kinds or writers:
        function, write = writers[kind]
        with tempfile.TemporaryDirectory(prefix="sources-") as temporary:
            source = Path(temporary, "source")
            source.mkdir()
            write(options.examples, source)
            print(f"| {kind} | {ingest(function, source, Path(temporary, 'data'))}", flush=True)


if __name__ == "__main__":
    main()
