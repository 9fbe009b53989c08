"""Run the pipeline on so many examples, one node after the other, and print each node's time and peak memory.

    python -m bench.tfx.nodes EXAMPLES [--param NAME=VALUE ...] [--json FILE]

Each node is forked from this process, as the warm server would. Its peak is that of its largest process, its children
included. The data are digits as `bench.tfx.digits` writes them. All of it is in a temporary folder.
"""

import argparse
import json
import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

_EVERY_SECONDS = 0.1


def run(examples: int, params: Sequence[str], folder: Path) -> dict[str, tuple[float, float]]:
    """Return seconds and MiB by node id.

    Raises:
      SystemExit: a node failed.
    """
    os.environ["NIGHTLITE_VAR_DIR"] = str(folder)
    from models.mnist.on_device import MODEL
    from nightlite.deployment.models import first_model
    from nightlite.deployment.settings import settings
    from nightlite.ondevice.in_tfx.compile import compile_model
    from nightlite.runner.in_tfx.warm import forking, preloading

    data, compiled_file = settings().folders(MODEL.name).data, settings().compiled_file(first_model())
    found = {"ingest": _measured(lambda: _ingest(examples, data))}
    _show("ingest", *found["ingest"])
    compile_in_child = _measured(lambda: compile_model(first_model(), settings()).write(compiled_file))
    del compile_in_child
    from nightlite.runner.compiled_pipeline import CompiledPipeline

    preloading.preload(compiled_file)
    forking.freeze()
    for node in CompiledPipeline.read(compiled_file).nodes:
        arguments = ["--pipeline", str(compiled_file), "--node", node.id, "--run-id", "nodes"]
        with (folder / f"{node.id}.log").open("wb") as log:
            call = forking.ChildCall(
                [*arguments, *(f"--param={item}" for item in params)],
                dict(os.environ),
                os.getcwd(),
                *[log.fileno()] * 2,
            )
            lifeline = forking.Lifeline()
            found[node.id] = _watched(forking.start(call, lifeline, own_session=True).pid, folder / f"{node.id}.log")
        _show(node.id, *found[node.id])
    return found


def _ingest(examples: int, data: Path) -> None:
    from bench.tfx.digits import dataset
    from models.mnist.on_device import MODEL
    from nightlite.ondevice.in_tfx.ingest.write_span import write_span

    write_span(MODEL, dataset(examples), data)


def _measured(call: object) -> tuple[float, float]:
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            call()  # type: ignore[operator]
            code = 0
        finally:
            os._exit(code)
    return _watched(pid, None)


def _watched(pid: int, log: Path | None) -> tuple[float, float]:
    started, peak = time.monotonic(), 0.0
    while True:
        peak = max(peak, *_peaks(pid), 0.0)
        ended, status, usage = os.wait4(pid, os.WNOHANG)
        if ended:
            break
        time.sleep(_EVERY_SECONDS)
    if status and os.waitstatus_to_exitcode(status) not in (0, 99):
        raise SystemExit(f"failed: {log.read_text() if log else status}")
    return time.monotonic() - started, max(peak, usage.ru_maxrss / 1024)


def _peaks(pid: int) -> list[float]:
    found = []
    try:
        processes = psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        return [0.0]
    for process in processes:
        try:
            lines = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii").splitlines()
        except OSError:
            continue
        found += [int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")]
    return found or [0.0]


def _show(node_id: str, seconds: float, mebibytes: float) -> None:
    print(f"| {node_id} | {seconds:,.1f} | {mebibytes:,.0f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.tfx.nodes", description=__doc__.split("\n")[0])
    parser.add_argument("examples", type=int)
    parser.add_argument("--param", action="append", default=[], metavar="NAME=VALUE", help="one run parameter")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="nodes-"))
    try:
        found = run(options.examples, options.param, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if options.json:
        options.json.write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main()
