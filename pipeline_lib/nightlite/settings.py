"""The deployment's settings: read once from `MNIST_LITE_*` environment variables, frozen, passed on."""

import functools
import os
import zoneinfo
from pathlib import Path
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, create_model, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from nightlite.errors import SettingsError
from nightlite.ondevice.run_parameters import RunParams
from nightlite.paths import PROJECT, var_dir

PREFIX = "MNIST_LITE_"
PIPELINE_NAME = "mnist_tflite"
RELEASE_ASSET = "mnist_tflite_model"  # what Airflow calls the releases
DATA_ASSET = "mnist_data"  # and the spans
_Kind = TypeVar("_Kind", bound=BaseSettings)
_PATHS = ("var_dir", "tfx_python", "compiled_pipeline", "schema_file", "signing_key", "verifying_key")


class Settings(BaseSettings):
    """Where things are and how the nightly run is scheduled. Paths are absolute; `var_dir` holds all state."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    var_dir: Path = Field(default_factory=var_dir, description="all state; default: var/ in the project")
    tfx_python: Path = Field(
        default=PROJECT / ".venvs" / "tfx" / "bin" / "python", description="interpreter of the TFX environment"
    )
    compiled_pipeline: Path | None = Field(
        default=None, description="file of the compiled pipeline; default: compiled/ in the state folder"
    )
    schema_file: Path = Field(
        default=PROJECT / "schema" / "mnist.pbtxt",
        description="the curated schema; where there is no such file, each run infers its own",
    )
    metadata_url: str = Field(
        default="",
        description="mysql://user:password@host[:port]/database for MySQL or MariaDB (with "
        "innodb_snapshot_isolation=OFF); PostgreSQL is refused. "
        "Default: SQLite in the state folder; in containers, the MariaDB beside them",
    )
    runtime: Literal["warm", "cold"] = Field(
        default="warm",
        description="warm: nodes are forked from a process that has imported TFX; cold: in fresh ones, 20 s more each",
    )
    port: int = Field(
        default=8080, ge=1, le=65535, description="the local Airflow's on 127.0.0.1; containers': in .env"
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

    dataset: str = Field(
        default="mnist5k", description="containers only: the first data: mnist5k, digits, mnist or a folder"
    )
    keep_runs_days: int = Field(
        default=365, ge=0, description="containers only: how long Airflow's runs and task logs are kept; 0: forever"
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

    @model_validator(mode="before")
    @classmethod
    def _empty_is_the_default(cls, values: dict[str, Any]) -> dict[str, Any]:
        # An empty path would be the folder of whoever asks.
        return {name: value for name, value in values.items() if value != "" or name not in _PATHS}

    @field_validator(*_PATHS)
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        # Not resolve(): a venv's python must be called by its own name, not by what it links to.
        return path and Path(os.path.abspath(path))

    @field_validator("metadata_url")
    @classmethod
    def _usable_store(cls, url: str) -> str:
        form = "expected sqlite:////folder/file or mysql://user:password@host[:port]/database"
        try:
            parts = urlsplit(url)
            _ = parts.port  # raises where it is no number
        except ValueError:
            raise ValueError(form) from None
        scheme = parts.scheme.split("+")[0]
        if scheme in ("postgres", "postgresql"):
            raise ValueError(
                "PostgreSQL is refused, because with this ml-metadata it mixes up cached artifacts; use mysql://… "
                "(MySQL or MariaDB) or sqlite:///…. Airflow's own database may be PostgreSQL"
            )
        is_file = scheme == "sqlite" and parts.path.startswith("/")
        is_server = scheme in ("mysql", "mariadb") and parts.hostname and parts.username
        if url and not (parts.path.strip("/") and (is_file or is_server)):
            raise ValueError(form)
        return url

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        if name not in zoneinfo.available_timezones():
            raise ValueError("expected a name of the time zone database, such as Europe/Berlin")
        return name

    @property
    def signs(self) -> bool:
        """Whether a release has to be signed: this side signs it, or readers insist on it."""
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

    @property
    def compiled_path(self) -> Path:
        return self.compiled_pipeline or self.var_dir / "compiled" / f"{PIPELINE_NAME}.json"

    @property
    def mlmd_url(self) -> str:
        return self.metadata_url or f"sqlite:///{self.var_dir / 'metadata' / 'mlmd.sqlite'}"


@functools.cache
def settings() -> Settings:
    """The settings of this process.

    Raises:
      SettingsError: a variable does not hold what it should.
    """
    return read_variables(Settings)


class _RunDefaults(BaseSettings):
    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")


# The variables that set the run parameters' defaults, but for what the model's author sets there, or one run.
_NOT_A_DEPLOYMENTS = frozenset({"batch_size", "learning_rate", "seed", "span", "force"})
_SETTABLE: dict[str, Any] = {
    name: (field.annotation, field) for name, field in RunParams.model_fields.items() if name not in _NOT_A_DEPLOYMENTS
}
RunDefaults = create_model("RunDefaults", __base__=_RunDefaults, **_SETTABLE)


def run_defaults() -> dict[str, Any]:
    """The run parameters whose defaults this deployment sets, as `MNIST_LITE_MIN_ACCURACY` sets `min_accuracy`.

    Raises:
      SettingsError: a variable does not hold what that parameter takes.
    """
    return read_variables(RunDefaults).model_dump(exclude_unset=True)


def read_variables(kind: type[_Kind]) -> _Kind:
    """A model of `MNIST_LITE_*` variables, read from the environment.

    Raises:
      SettingsError: a variable does not hold what it should.
    """
    try:
        return kind()
    except ValidationError as error:
        first = error.errors()[0]
        field = str(first["loc"][0])
        name = f"{kind.model_config['env_prefix']}{field}".upper()
        # A secret is not for a log; an address may hold one.
        secret = "SecretStr" in str(kind.model_fields[field].annotation) or "@" in str(first["input"])
        received = "what may hold a secret" if secret else repr(first["input"])
        raise SettingsError(f"{name}: {first['msg'].removeprefix('Value error, ')}. Received: {received}") from None
