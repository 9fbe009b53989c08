"""Run the whole pipeline once with TFX's own LocalDagRunner, in this fresh process, and measure its time.

    python -m bench.tfx.local_run --result FILE [--param NAME=VALUE ...] [--keep]

The data is the deployment's own. Artifacts and metadata go to a new folder, which is removed unless `--keep` is
given. The result: `seconds` of the run, `import_seconds` from the process's start to the end of the executors'
imports. It also names the folders of the two models.
"""

import argparse
import json
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from models.mnist.on_device import MODEL
from nightlite.runner.node_result import NodeResult

STARTED = time.perf_counter()


def local_run(parameters: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return the result as the module's docstring describes it. Artifacts and metadata go to `folder`."""
    from nightlite.deployment.models import first_model
    from nightlite.deployment.settings import settings
    from nightlite.ondevice.in_tfx.compile import compile_model
    from nightlite.runner.in_tfx import run_local
    from nightlite.runner.in_tfx.warm import preloading

    imported = time.perf_counter() - STARTED
    own = settings().model_copy(update={"var_dir": folder, "compiled_dir": None, "metadata_url": ""})
    data = own.folders(MODEL.name).data
    data.parent.mkdir(parents=True)
    data.symlink_to(settings().folders(MODEL.name).data)
    compiled = compile_model(first_model(), own)
    compiled.write(own.compiled_file(first_model()))
    started = time.perf_counter()
    # This process imports what the warm server has imported before a run, so no imports count.
    preloading.preload(own.compiled_file(first_model()))
    imported += time.perf_counter() - started
    started = time.perf_counter()
    results = run_local.run_local(compiled, "local", own.mlmd_url, parameters)
    seconds = time.perf_counter() - started
    _require_all_succeeded(results, len(compiled.nodes))
    _require_unpatched()
    models = {name: results[f"Trainer.{name}"].outputs["model"][0].uri for name in ("mnist", "mnist_lite")}
    [tflite_file] = Path(models["mnist_lite"], "Format-Serving").rglob("tflite")
    return {
        "seconds": seconds,
        "import_seconds": imported,
        "keras_model": str(Path(models["mnist"], "Format-Serving")),
        "tflite_file": str(tflite_file),
        "release": str(own.folders(MODEL.name).releases / "1"),
    }


def _require_all_succeeded(results: dict[str, NodeResult], expected: int) -> None:
    states = {node_id: result.state for node_id, result in results.items()}
    if len(states) != expected or set(states.values()) != {"succeeded"}:
        raise SystemExit(f"expected {expected} nodes to succeed. Received: {states}")


def _require_unpatched() -> None:
    """Refuse to measure a yardstick with our speed-ups."""
    from nightlite.runner.in_tfx.beam import memo
    from nightlite.runner.in_tfx.mlmd import lineage

    used = [getattr(owner, name) for owner, name, _ in (*lineage.REPLACEMENTS, *memo.REPLACEMENTS)]
    if ours := [function for function in used if function.__module__.startswith(("nightlite.", "models."))]:
        raise SystemExit(f"expected TFX's and Beam's own functions. Received: {ours}")


def main() -> None:
    from nightlite.ondevice.run_parameters import parameters
    from nightlite.paths import var_dir
    from nightlite.runner.parameter_text import assignments

    parser = argparse.ArgumentParser(prog="python -m bench.tfx.local_run", description=__doc__.split("\n")[0])
    parser.add_argument("--result", required=True, type=Path, metavar="FILE")
    parser.add_argument("--param", action="append", default=[], metavar="NAME=VALUE", help="one run parameter")
    parser.add_argument("--keep", action="store_true", help="leave the artifacts where they are")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="local-", dir=var_dir()))
    try:
        result = local_run(assignments(options.param, parameters(MODEL)), folder)
    finally:
        if not options.keep:
            shutil.rmtree(folder, ignore_errors=True)
    options.result.write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    main()
