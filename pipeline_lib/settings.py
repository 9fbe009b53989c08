"""The deployment's settings: read once from `MNIST_LITE_*` environment variables, frozen, passed on."""

import functools
import os
import zoneinfo
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from pipeline_lib.errors import SettingsError
from pipeline_lib.places import PROJECT, var_dir

PIPELINE_NAME = "mnist_tflite"


class Settings(BaseSettings):
    """Where things are and how the nightly run is scheduled. Paths are absolute; `var_dir` holds all state."""

    model_config = SettingsConfigDict(env_prefix="MNIST_LITE_", frozen=True, extra="ignore")

    var_dir: Path = Field(default_factory=var_dir)
    tfx_python: Path = PROJECT / ".venvs" / "tfx" / "bin" / "python"
    compiled_pipeline: Path | None = Field(default=None, description="compiled pipeline file; default: under var_dir")
    schema_file: Path = Field(
        default=PROJECT / "schema" / "mnist.pbtxt", description="the curated schema; absent: each run infers one"
    )
    metadata_url: str = Field(
        default="", description="MLMD: sqlite:///PATH or mysql://user:password@host[:port]/database"
    )
    runtime: Literal["warm", "cold"] = "warm"
    runtime_idle_seconds: float = Field(default=900, gt=0)
    beam_workers_above_mib: float = Field(
        default=1024, ge=0, description="a Beam node that reads more than this uses a process per core"
    )
    port: int = Field(default=8080, ge=1, le=65535, description="the local Airflow's port on 127.0.0.1")

    schedule: str = Field(default="0 2 * * *", description="cron expression or preset; empty: only when triggered")
    timezone: str = "UTC"

    @field_validator("var_dir", "tfx_python", "compiled_pipeline", "schema_file")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        # Not resolve(): a venv's python must be called by its own name, not by what it links to.
        return path and Path(os.path.abspath(path))

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        if name not in zoneinfo.available_timezones():
            raise ValueError("expected a name of the time zone database, such as Europe/Berlin")
        return name

    @property
    def data_dir(self) -> Path:
        return self.var_dir / "data"

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
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = "MNIST_LITE_" + "_".join(str(part) for part in first["loc"]).upper()
        raise SettingsError(f"{name}: {first['msg']}. Received: {first['input']!r}") from None
