"""Settings of retraining, judging and releasing models: the deployment's, and each model's own."""

import zoneinfo
from pathlib import Path
from typing import Any

from pydantic import Field, create_model, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from nightlite.ondevice.folders import FEED_KEYS_FILE, ModelFolders
from nightlite.ondevice.model import OnDeviceModel, pipeline_name
from nightlite.ondevice.rollout.plan import Overlap, Plan, steps_of
from nightlite.ondevice.run_parameters import run_params
from nightlite.ondevice.settable import is_settable
from nightlite.paths import PROJECT
from nightlite.runner import settings as runner
from nightlite.settings import PREFIX, process_settings, read_variables


class Settings(runner.Settings):
    """The runner's settings, and those of retraining, judging and releasing models."""

    compiled_dir: Path | None = Field(
        default=None, description="folder of the compiled pipelines; default: compiled/ in the state folder"
    )
    schema_dir: Path = Field(
        default=PROJECT / "schema",
        description="folder of the curated schemas, <model>.pbtxt; a model without one infers its own in each run",
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
    feed_keys: Path | None = Field(
        default=None,
        description="folder of the keys of phones' feed; default: feed-keys/ in the state folder",
    )
    feed_url: str | None = Field(
        default=None,
        description="bucket or folder to which feeds are uploaded, such as s3://CONNECTION@bucket/prefix or file:///srv/www",
    )
    timezone: str = Field(default="UTC", description="of the schedule, such as Europe/Berlin")
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
    def feed_keys_dir(self) -> Path:
        """Return the folder of the feed's keys, which need not exist."""
        return self.feed_keys or self.var_dir / "feed-keys"

    @property
    def has_feeds(self) -> bool:
        """Return whether there are keys, and so a feed of each model."""
        return (self.feed_keys_dir / FEED_KEYS_FILE).exists()

    def folders(self, name: str) -> ModelFolders:
        """Return the folders of the model of that name."""
        return ModelFolders(self.var_dir / name)

    def compiled_file(self, model: OnDeviceModel) -> Path:
        """Return the file of a model's compiled pipeline."""
        return self.compiled_file_of(model.name)

    def compiled_file_of(self, name: str) -> Path:
        """Return the file of the compiled pipeline of the model of that name."""
        return (self.compiled_dir or self.var_dir / "compiled") / f"{pipeline_name(name)}.json"

    def schema_file(self, model: OnDeviceModel) -> Path:
        """Return the file of a model's curated schema, which need not exist."""
        return self.schema_dir / f"{model.name}.pbtxt"


def settings() -> Settings:
    """Return these settings of this process.

    Raises:
      SettingsError: a variable is malformed.
    """
    return process_settings(Settings)


class ModelSettings(BaseSettings):
    """Settings of one model: `NIGHTLITE_<NAME>_SCHEDULE` and so on, over what the model declares."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    enabled: bool = Field(default=True, description="false: no DAG, no first data, and commands refuse the model")
    schedule: str | None = Field(default=None, description="cron expression or preset (@daily); empty: not by time")
    dataset: str | None = Field(default=None, description="containers only: the first data, a source or a folder")
    run_on_new_data: bool = Field(default=True, description="also run when Airflow is notified of a new span")
    deadline_minutes: float = Field(
        default=0, ge=0, description="a run that takes longer is late, counted from being queued; 0: none is"
    )
    approval_hours: float = Field(
        default=20, gt=0, le=24 * 365, description="how long a run waits for its approval; then nothing is pushed"
    )
    rollout: str = Field(
        default="", description="growing percents of the phones on stable, a night each, before all; empty: all at once"
    )
    rollout_overlap: Overlap = Field(
        default="wait", description="a new release while one is rolling out: wait until that is done, or replace it"
    )

    @field_validator("rollout")
    @classmethod
    def _steps(cls, percents: str) -> str:
        steps_of(percents)
        return percents

    @property
    def rollout_plan(self) -> Plan:
        """Return the plan of this model's roll-outs."""
        return Plan(steps_of(self.rollout), self.rollout_overlap)


def model_prefix(model: OnDeviceModel) -> str:
    """Return the start of the names of a model's own variables."""
    return _prefix(model.name)


def _prefix(name: str) -> str:
    return f"{PREFIX}{name.upper()}_"


def enabled_variable(name: str) -> str:
    """Return the name of the variable that switches the model of that name off."""
    return f"{_prefix(name)}ENABLED"


def is_enabled(name: str) -> bool:
    """Return whether the model of that name is switched on. It need not be imported for that.

    Raises:
      SettingsError: one of the model's variables is malformed.
    """
    return read_variables(ModelSettings, _prefix(name)).enabled


def rollout_plan(name: str) -> Plan:
    """Return the plan of the roll-outs of the model of that name. It need not be imported for that.

    Raises:
      SettingsError: one of the model's variables is malformed.
    """
    return read_variables(ModelSettings, _prefix(name)).rollout_plan


def model_settings(model: OnDeviceModel) -> ModelSettings:
    """Return a model's settings. Its schedule is the model's own where no variable sets another.

    Raises:
      SettingsError: a variable is malformed.
    """
    found = read_variables(ModelSettings, model_prefix(model))
    return found if found.schedule is not None else found.model_copy(update={"schedule": model.schedule})


class _RunDefaults(BaseSettings):
    model_config = SettingsConfigDict(frozen=True, extra="ignore")


def run_default_fields(model: OnDeviceModel) -> type[BaseSettings]:
    """Return the settings that are defaults of run parameters: all but those that only runs set."""
    fields: dict[str, Any] = {
        name: (field.annotation, field) for name, field in run_params(model).model_fields.items() if is_settable(field)
    }
    return create_model("RunDefaults", __base__=_RunDefaults, **fields)


def run_defaults(model: OnDeviceModel) -> dict[str, Any]:
    """Return the run parameters whose defaults this deployment sets, by `NIGHTLITE_<NAME>_MIN_ACCURACY` and so on.

    Raises:
      SettingsError: the parameter does not take the variable's value.
    """
    return read_variables(run_default_fields(model), model_prefix(model)).model_dump(exclude_unset=True)
