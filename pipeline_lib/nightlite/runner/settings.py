"""Settings of the runner: the state's and the TFX environment's paths, and how nodes run."""

import json
import os
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic_settings import NoDecode

from nightlite.paths import IS_CHECKOUT, PROJECT, var_dir
from nightlite.settings import EnvironmentSettings, process_settings


class BeamArguments(BaseModel):
    """Beam arguments of the nodes whose id matches a pattern and whose input files reach a size."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    nodes: str = Field(min_length=1)
    above_mib: float = Field(default=0, ge=0)
    args: tuple[str, ...]


class Settings(EnvironmentSettings):
    """Settings for running any pipeline. `var_dir` holds all state."""

    var_dir: Path = Field(default_factory=var_dir, description="all state; default: var/ in the project")
    tfx_python: Path = Field(
        default=PROJECT / (".venvs/tfx" if IS_CHECKOUT else "tfx-env") / "bin" / "python",
        description="interpreter of the TFX environment",
    )
    project_dir: Path = Field(
        default_factory=lambda: PROJECT,
        description="the code of your pipelines: nodes run in this folder and import from it; default: the project",
    )
    pipeline_roots: str = Field(
        default="",
        description="folders, separated by `:`, below which Airflow's UI shows the artifacts of a pipeline without a "
        "model; default: pipelines/ in the state folder",
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
    beam_workers_above_mib: float = Field(
        default=32,
        ge=0,
        description="a Beam node whose input files have this many MiB or more shares its work among forked workers, "
        "one a core; inf: none does",
    )
    beam_args: Annotated[tuple[BeamArguments, ...], NoDecode] = Field(
        default=(),
        description="Beam arguments in place of the compiled pipeline's, as a JSON list; the first entry that matches "
        'a node\'s id and size wins: [{"nodes": "Evaluator.*", "above_mib": 500, "args": ["--runner=…"]}]',
    )

    @field_validator("beam_args", mode="before")
    @classmethod
    def _from_json(cls, text: object) -> object:
        try:
            return json.loads(text or "[]") if isinstance(text, str) else text
        except ValueError:
            raise ValueError('expected a JSON list: [{"nodes": "Evaluator.*", "args": ["--runner=…"]}]') from None

    @field_validator("metadata_url")
    @classmethod
    def _usable_store(cls, url: str) -> str:
        form = "expected sqlite:////folder/file or mysql://user:password@host[:port]/database"
        try:
            parts = urlsplit(url)
            _ = parts.port  # raises if it is no number
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

    @property
    def roots_shown(self) -> list[Path]:
        """Return the pipeline roots whose artifacts Airflow's UI may show."""
        given = [Path(os.path.abspath(root)) for root in self.pipeline_roots.split(os.pathsep) if root]
        return given or [self.var_dir / "pipelines"]

    @property
    def mlmd_url(self) -> str:
        return self.metadata_url or f"sqlite:///{self.var_dir / 'metadata' / 'mlmd.sqlite'}"


def settings() -> Settings:
    """Return the runner's settings of this process.

    Raises:
      SettingsError: a variable is malformed.
    """
    return process_settings(Settings)
