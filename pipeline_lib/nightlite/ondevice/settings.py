"""Settings of the gates' product: schedule, retention, signing keys, and the run parameters' defaults."""

import zoneinfo
from pathlib import Path
from typing import Any

from pydantic import Field, create_model, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from nightlite.ondevice.model import OnDeviceModel
from nightlite.ondevice.run_parameters import RunParams
from nightlite.paths import PROJECT
from nightlite.runner import settings as runner
from nightlite.settings import PREFIX, process_settings, read_variables


class Settings(runner.Settings):
    """The runner's settings, and those of retraining, judging and releasing models."""

    compiled_pipeline: Path | None = Field(
        default=None, description="file of the compiled pipeline; default: compiled/ in the state folder"
    )
    schema_file: Path = Field(
        default=PROJECT / "schema" / "mnist.pbtxt",
        description="the curated schema; where there is no such file, each run infers its own",
    )
    keep_artifact_runs: int = Field(
        default=100,
        ge=0,
        description="runs whose artifacts stay on the disk, besides what the releases were made of; 0: all",
    )
    keep_releases: int = Field(
        default=10, ge=1, description="how many releases a push leaves, and their anchors; the latest always stays"
    )
    signing_key: Path | None = Field(default=None, description="private key (PEM) that releases are signed with")
    verifying_key: Path | None = Field(default=None, description="public key (PEM) that every reader then insists on")
    approval_hours: float = Field(
        default=20, gt=0, le=24 * 365, description="how long a run waits for its approval; then nothing is pushed"
    )
    schedule: str = Field(default="0 2 * * *", description="cron expression or preset (@daily); empty: not by time")
    timezone: str = Field(default="UTC", description="of the schedule, such as Europe/Berlin")
    run_on_new_data: bool = Field(default=True, description="also run when Airflow is notified of a new span")
    deadline_minutes: float = Field(
        default=0, ge=0, description="a run that takes longer is late, counted from being queued; 0: none is"
    )
    node_timeout_minutes: float = Field(default=120, gt=0, description="one try of a node; then it is ended and fails")
    node_retries: int = Field(
        default=2, ge=0, description="of a node that failed, 30 s apart; refused data is not tried again"
    )

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        if name not in zoneinfo.available_timezones():
            raise ValueError("expected a name of the time zone database, such as Europe/Berlin")
        return name

    @property
    def signs(self) -> bool:
        """Return whether a release must be signed: this side signs it, or readers require it."""
        return bool(self.signing_key or self.verifying_key)

    @property
    def data_dir(self) -> Path:
        return self.var_dir / "data"

    @property
    def drop_dir(self) -> Path:
        return self.var_dir / "drop"

    @property
    def pipeline_root(self) -> Path:
        return self.var_dir / "pipeline_root"

    @property
    def push_dir(self) -> Path:
        return self.var_dir / "pushed" / "mnist_lite"

    def compiled_file(self, model: OnDeviceModel) -> Path:
        """Return the file of a model's compiled pipeline."""
        return self.compiled_pipeline or self.var_dir / "compiled" / f"{model.pipeline_name}.json"


def settings() -> Settings:
    """Return these settings of this process.

    Raises:
      SettingsError: a variable is malformed.
    """
    return process_settings(Settings)


class _RunDefaults(BaseSettings):
    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")


# Run parameters whose defaults only the model's author or a run sets.
_NOT_A_DEPLOYMENTS = frozenset({"batch_size", "learning_rate", "seed", "span", "force"})
_SETTABLE: dict[str, Any] = {
    name: (field.annotation, field) for name, field in RunParams.model_fields.items() if name not in _NOT_A_DEPLOYMENTS
}
RunDefaults = create_model("RunDefaults", __base__=_RunDefaults, **_SETTABLE)


def run_defaults() -> dict[str, Any]:
    """Return the run parameters whose defaults this deployment sets: `NIGHTLITE_MIN_ACCURACY` sets `min_accuracy`.

    Raises:
      SettingsError: the parameter does not take the variable's value.
    """
    return read_variables(RunDefaults).model_dump(exclude_unset=True)
