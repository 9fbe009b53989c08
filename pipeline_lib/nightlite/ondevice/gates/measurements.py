"""What the runtime that ships makes of a TFLite file: `edge.json`, which EdgeValidator leaves beside `gates.json`."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from nightlite.ondevice.gates.paired import Comparison

EDGE_FILE = "edge.json"
# TFMA looks for a TFLite model under this name; the rewriter is told to use it.
TFLITE_FILE = "tflite"


class Percentiles(BaseModel):
    """Latency of one example, in ms."""

    model_config = ConfigDict(frozen=True)

    p50: float
    p90: float
    p95: float
    p99: float


class TensorContract(BaseModel):
    """An input or output as a caller has to know it; -1 in `shape` is any size."""

    model_config = ConfigDict(frozen=True)

    name: str
    dtype: str
    shape: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.name} {self.dtype}{list(self.shape)}"


class RuntimeFigures(BaseModel):
    """One file in one runtime on the build host: a phone's figures are others, their ratio to another file's is close.

    `load_ms` and `latency_ms` are measured at `threads`, with LiteRT's default delegates (XNNPACK); `peak_memory_mib`
    is what the process's peak resident memory grew by, from before the file was loaded until it had run.
    """

    model_config = ConfigDict(frozen=True)

    size_bytes: int
    load_ms: float
    latency_ms: Percentiles
    threads: int
    peak_memory_mib: float
    input: TensorContract
    output: TensorContract
    litert_version: str


class EdgeMeasurements(RuntimeFigures):
    """The candidate's figures, and what it answers on the eval split.

    `keras_agreement` is the share of images given the same class as by the Keras model, the differences are between
    the two models' probabilities (None: not all of them are finite), `tfma_accuracy` is what Evaluator.mnist_lite says
    of the same file. `baseline` is the last release, measured in turn with the candidate; None for a first release.
    `sha256` is the measured file's, to which the Pusher holds what it ships; empty in files older than this field.
    `against_baseline` and `against_anchor` are its answers against the last release's and the anchor's; the second is
    None where the anchor is the last release. `code` and `data` are fingerprints of what the file was made of, "" where
    that was not recorded.
    """

    keras_agreement: float
    max_abs_difference: float | None
    mean_abs_difference: float | None
    accuracy: float
    keras_accuracy: float
    tfma_accuracy: float | None
    quantization: str
    sha256: str = ""
    baseline: RuntimeFigures | None = None
    against_baseline: Comparison | None = None
    against_anchor: Comparison | None = None
    code: str = ""
    data: str = ""

    def write(self, folder: Path) -> None:
        (folder / EDGE_FILE).write_text(self.model_dump_json(indent=1), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> "EdgeMeasurements":
        return cls.model_validate_json((folder / EDGE_FILE).read_text(encoding="utf-8"))
