"""Measurements of a TFLite file in the runtime that ships.

EdgeValidator writes them into `measurements.json`, beside `gates.json`.
"""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from nightlite.ondevice.contract.file_contract import FileContract
from nightlite.ondevice.gates.paired import Comparison

MEASUREMENTS_FILE = "measurements.json"


class Percentiles(BaseModel):
    """Latency of one example, in ms."""

    model_config = ConfigDict(frozen=True)

    p50: float
    p90: float
    p95: float
    p99: float


class Measurements(BaseModel):
    """Figures of one file in one runtime on the build host. A phone's differ, but ratios between files are close.

    `load_ms` and `latency_ms` are measured at `threads`, with LiteRT's default delegates (XNNPACK).
    `peak_memory_mib` is the growth of the process's peak resident memory, from before loading the file until after
    running it.
    """

    model_config = ConfigDict(frozen=True)

    size_bytes: int
    load_ms: float
    latency_ms: Percentiles
    threads: int
    peak_memory_mib: float
    contract: FileContract
    litert_version: str


class CompiledModelRun(BaseModel):
    """Answers of LiteRT's CompiledModel, one example at a time, against the Interpreter's.

    `compiled_model_difference` is the largest difference of an output on `compiled_model_examples`, None if there is no
    finite one. `compiled_model_problem` says why CompiledModel could not run the file. `fully_accelerated` is its own
    figure: whether the accelerator (here the CPU's, XNNPACK) runs every operator.
    """

    model_config = ConfigDict(frozen=True)

    compiled_model_examples: int = 0
    compiled_model_difference: float | None = None
    compiled_model_problem: str = ""
    fully_accelerated: bool | None = None


class CandidateMeasurements(Measurements, CompiledModelRun):
    """The candidate's figures and its answers on the eval split.

    A classification has `accuracy`, `keras_accuracy` and `keras_agreement`, the share of examples with the same class
    as the Keras model's. A regression has `mean_error` and `p95_error`, of absolute errors in the unit of the label.
    `tfma_accuracy` and `tfma_mean_error` are the second Evaluator's for the same file.

    The differences are between the two models' outputs (None if not all are finite). Another runtime's outputs may
    differ by `tolerance`. `baseline` is the last release, measured in turn with the candidate (None for a first
    release). `sha256` is the measured file's, the only one that the Pusher ships. Older files lack it and `tolerance`.

    `against_baseline` and `against_anchor` compare its answers with the last release's and the anchor's. The second
    is None if the anchor is the last release. `code` and `data` are fingerprints of the file's inputs, "" if not
    recorded.
    """

    keras_agreement: float | None = None
    max_abs_difference: float | None
    mean_abs_difference: float | None
    accuracy: float | None = None
    keras_accuracy: float | None = None
    tfma_accuracy: float | None = None
    mean_error: float | None = None
    p95_error: float | None = None
    tfma_mean_error: float | None = None
    tolerance: float | None = None
    quantization: str
    sha256: str = ""
    baseline: Measurements | None = None
    against_baseline: Comparison | None = None
    against_anchor: Comparison | None = None
    code: str = ""
    data: str = ""

    def write(self, folder: Path) -> None:
        (folder / MEASUREMENTS_FILE).write_text(self.model_dump_json(indent=1), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> "CandidateMeasurements":
        return cls.model_validate_json((folder / MEASUREMENTS_FILE).read_text(encoding="utf-8"))
