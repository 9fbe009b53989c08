"""What a run can be told: the single source of the run parameters' names, types, bounds and defaults.

Airflow's trigger form, TFX's RuntimeParameters, `mnist-lite trigger --help` and its check of what it is given are made
from this model. To add one, add a field here, in its section of the form, and use it in `pipeline_lib/tfx/pipeline.py`.
"""

from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from pipeline_lib.approval import APPROVAL_RECORD
from pipeline_lib.graph import Parameter

Quantization = Literal["none", "dynamic", "float16", "int8"]
Push = Literal["yes", "even if no better", "dry run"]
Approval = Literal["none", "required"]

# What the code that obeys them calls them.
FORCE: Final = "force"
APPROVAL: Final = "approval"
DRY_RUN: Final = "dry run"
LATEST: Final = "latest"

_TYPES: dict[type, Literal["int", "float", "str", "bool"]] = {int: "int", float: "float", str: "str", bool: "bool"}
# No node works differently for it: mentioned in one, it would be part of its cache key.
_READ_BY_THE_RUN = frozenset({FORCE})


def _in(section: str, labels: dict[str, str] | None = None) -> dict[str, Any]:
    """Where a parameter stands in Airflow's trigger form, and what the form calls the values of a choice."""
    return {"section": section, **({"values_display": labels} if labels else {})}


def _least(default: float, title: str, what: str) -> Any:
    """A lower bound of a share; beyond 1 it refuses everything."""
    about = f"{what}, 0 to 1; above 1 refuses every model"
    return Field(default=default, ge=0, le=1.01, title=title, description=about, json_schema_extra=_in("Gates"))


def _most(default: float, title: str, what: str, limit: float, section: str = "Gates") -> Any:
    """An upper bound of what is never negative; below 0 it refuses everything."""
    about = f"{what}; below 0 refuses everything"
    extra = _in(section)
    return Field(default=float(default), ge=-1, le=limit, title=title, description=about, json_schema_extra=extra)


class RunParams(BaseModel):
    """Parameters of one run; defaults are what the nightly run uses.

    Those named `min_…` and `max_…` are the bounds of gates: each admits a value that nothing meets.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: int = Field(
        default=12,
        ge=1,
        le=500,
        title="Epochs",
        description="Passes over the training split; at least 30 steps each",
        json_schema_extra=_in("Training"),
    )
    batch_size: int = Field(
        default=64,
        ge=1,
        le=4096,
        title="Batch size",
        description="Examples per training step",
        json_schema_extra=_in("Training"),
    )
    learning_rate: float = Field(
        default=0.005,
        gt=0,
        le=1,
        title="Learning rate",
        description="Peak of the one-cycle schedule",
        json_schema_extra=_in("Training"),
    )
    seed: int = Field(
        default=1,
        ge=0,
        le=2**31 - 1,
        title="Seed",
        description="Same seed, same data: same metrics",
        json_schema_extra=_in("Training"),
    )

    quantization: Quantization = Field(
        default="none",
        title="Quantization",
        description="Of the file: dynamic (int8 weights), float16 (weights) or int8 (weights and activations)",
        json_schema_extra=_in(
            "File",
            {
                "none": "none: float32",
                "dynamic": "dynamic: int8 weights",
                "float16": "float16: float16 weights",
                "int8": "int8: weights and activations",
            },
        ),
    )

    min_accuracy: float = _least(0.97, "Least accuracy", "Of either model")
    min_class_accuracy: float = _least(0.9, "Least accuracy of any one digit", "Of either model")
    max_loss: float = Field(
        default=0.2,
        ge=0,
        le=100,
        title="Largest loss",
        description="Mean cross-entropy of either model, in nats; 0 refuses every model",
        json_schema_extra=_in("Gates"),
    )
    min_accuracy_change: float = Field(
        default=-0.01,
        ge=-1,
        le=1.01,
        title="Least change in accuracy",
        description="Against the last release and the anchor; below 0: that much worse is still admitted",
        json_schema_extra=_in("Gates"),
    )
    min_p_if_worse: float = Field(
        default=0.05,
        ge=0,
        le=1.01,
        title="Least p of a loss",
        description="Probability that losses to the last release or the anchor are chance; 0 admits any loss",
        json_schema_extra=_in("Gates"),
    )

    max_keras_accuracy_drop: float = _most(
        0.003, "Largest loss of accuracy by conversion", "Keras's less the file's", 1
    )
    min_keras_agreement: float = _least(
        0.999, "Least agreement with Keras", "Share of images given the same digit; quantization none or float16"
    )
    min_quantized_agreement: float = _least(
        0.99, "Least agreement with Keras, quantized", "The same; quantization dynamic or int8"
    )
    max_output_difference: float = _most(0.6, "Largest difference from Keras", "Of any probability of any image", 1)
    max_mean_output_difference: float = _most(0.005, "Largest mean difference from Keras", "Of all probabilities", 1)
    max_tfma_difference: float = _most(
        0.003, "Largest difference from TFMA", "Between the file's accuracy as TFMA has it and as LiteRT measures it", 1
    )
    max_size_kib: float = _most(300, "Largest file", "In KiB", 1e6)
    max_load_ms: float = _most(200, "Longest load time", "In ms, on the build host", 1e6)
    max_latency_ms: float = _most(20, "Longest latency", "95th percentile, ms an image, on the build host", 1e6)
    max_latency_ratio: float = _most(
        1.5,
        "Largest latency against the last release",
        "Ratio of medians on the build host",
        1e6,
    )
    max_memory_mib: float = _most(64, "Largest peak memory", "In MiB, of loading the file and running it", 1e6)

    span: str = Field(
        default=LATEST,
        pattern=r"^(latest|[1-9][0-9]{0,8})$",
        title="Data span",
        description="latest, or a number; a backfill's latest is its date's, never released over newer data",
        examples=["latest", "7"],
        # As a number, too: over REST 7 is what "7" is. The form shows the first type.
        json_schema_extra={**_in("Data"), "type": ["string", "integer"], "minimum": 1, "maximum": 999_999_999},
    )
    window: int = Field(
        default=1,
        ge=1,
        le=1000,
        title="Window of spans",
        description="Trains on the last so many, up to that one",
        json_schema_extra=_in("Data"),
    )
    max_anomalies: int = Field(
        default=0,
        ge=-1,
        le=1000,
        title="Most anomalies in the data",
        description="More of them fail the run",
        json_schema_extra=_in("Data"),
    )
    min_label_share: float = Field(
        default=0.01,
        ge=0,
        le=1.01,
        title="Least share of any digit in the data",
        description="Of the train and of the eval split, 0 to 1; less fails the run",
        json_schema_extra=_in("Data"),
    )
    max_label_drift: float = _most(
        0.1,
        "Largest drift of the labels",
        "Of any digit's share since the last span that passed; more fails the run",
        1,
        section="Data",
    )

    force: bool = Field(
        default=False,
        title="Ignore the cache",
        description="Every node runs anew, also where nothing changed; what it makes is cached for later runs",
        json_schema_extra=_in("Run"),
    )
    push: Push = Field(
        default="yes",
        title="Push",
        description="Of the same data and code, yes releases only what is detectably better; a dry run only says so",
        json_schema_extra=_in(
            "Run",
            {
                "yes": "yes: release a blessed model that is new or better",
                "even if no better": "even if no better: release any blessed model",
                "dry run": "dry run: release nothing",
            },
        ),
    )
    approval: Approval = Field(
        default="none",
        title="Approval",
        description="Whether a person must approve a blessed model before it is released",
        json_schema_extra=_in("Run", {"none": "none: the gates decide", "required": "required: a person decides"}),
    )


def parameters() -> tuple[Parameter, ...]:
    """The fields of RunParams in the compiled pipeline's form."""
    schema = RunParams.model_json_schema()["properties"]
    return tuple(
        Parameter(
            name=name,
            type=_TYPES[type(field.default)],
            default=field.default,
            json_schema={key: value for key, value in schema[name].items() if key != "default"},
            read_by="run" if name in _READ_BY_THE_RUN else "nodes",
        )
        for name, field in RunParams.model_fields.items()
    )


def facts() -> tuple[Parameter, ...]:
    """What Airflow tells a run, and no run may say of itself.

    `as_of`: the ISO date whose data a run reads, "" for the newest. `approval_record`: JSON of a
    `pipeline_lib.approval.Approval`, "" where nobody was asked.
    """
    names = ("as_of", APPROVAL_RECORD)
    return tuple(Parameter(name=name, type="str", default="", given_by="airflow") for name in names)
