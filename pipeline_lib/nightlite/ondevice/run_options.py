"""Run options: the run parameters of every model that are no gate's bound."""

from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from nightlite.ondevice.quantization import Quantization
from nightlite.ondevice.settable import BY_RUNS

Push = Literal["yes", "even if no better", "dry run"]
Approval = Literal["none", "required"]

# The names used by the code that obeys them.
APPROVAL: Final = "approval"
DRY_RUN: Final = "dry run"
LATEST: Final = "latest"
LEAST_APP_VERSION: Final = "least_app_version"


def in_section(section: str, labels: dict[str, str] | None = None) -> dict[str, Any]:
    """Return a parameter's section in Airflow's trigger form, and the form's labels for its choices."""
    return {"section": section, **({"values_display": labels} if labels else {})}


class RunOptions(BaseModel):
    """Options of one run: the data, the form of the file, and what happens to a blessed model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    quantization: Quantization = Field(
        default="none",
        title="Quantization",
        description="Of the file: dynamic (int8 weights), float16 (weights) or int8 (weights and activations)",
        json_schema_extra=in_section(
            "File",
            {
                "none": "none: float32",
                "dynamic": "dynamic: int8 weights",
                "float16": "float16: float16 weights",
                "int8": "int8: weights and activations",
            },
        ),
    )
    span: str = Field(
        default=LATEST,
        pattern=r"^(latest|[1-9][0-9]{0,8})$",
        title="Data span",
        description="latest, or a number; a backfill's latest is its date's, never released over newer data",
        examples=["latest", "7"],
        # Also as a number, because over REST 7 means "7". The form shows the first type.
        json_schema_extra={
            **in_section("Data"),
            **BY_RUNS,
            "type": ["string", "integer"],
            "minimum": 1,
            "maximum": 999_999_999,
        },
    )
    window: int = Field(
        default=1,
        ge=1,
        le=1000,
        title="Window of spans",
        description="Trains on the last so many, up to that one",
        json_schema_extra=in_section("Data"),
    )
    force: bool = Field(
        default=False,
        title="Ignore the cache",
        description="Every node runs again, also where nothing changed; what it makes is cached for later runs",
        json_schema_extra={**in_section("Run"), **BY_RUNS},
    )
    push: Push = Field(
        default="yes",
        title="Push",
        description="Of the same data and code, yes releases only what is detectably better; a dry run only says so",
        json_schema_extra=in_section(
            "Run",
            {
                "yes": "yes: release a blessed model that is new or better",
                "even if no better": "even if no better: release any blessed model",
                "dry run": "dry run: release nothing",
            },
        ),
    )
    least_app_version: int = Field(
        default=0,
        ge=0,
        le=2_100_000_000,  # the largest that Google Play takes
        title="Least app version",
        description="First version of the app that understands the file, 0: as the last release's; a file whose "
        "inputs, their meaning, output or labels have changed needs a greater one",
        json_schema_extra={**in_section("Run"), **BY_RUNS},
    )
    approval: Approval = Field(
        default="none",
        title="Approval",
        description="Whether a person must approve a blessed model before it is released",
        json_schema_extra=in_section(
            "Run", {"none": "none: the gates decide", "required": "required: a person decides"}
        ),
    )
