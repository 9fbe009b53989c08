"""Variables of `.env` that only docker-compose.yml reads: the containers to run and the users' passwords."""

from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from nightlite.settings import PREFIX


class ContainerVariables(BaseSettings):
    """Settings of the containers. Compose itself checks the memory limits."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore", env_ignore_empty=True)

    executor: (
        Literal["CeleryExecutor", "LocalExecutor", "nightlite.deployment.airflow_fixes.local_executor.LocalExecutor"]
        | None
    ) = None
    paused: bool = Field(default=False, description="a new deployment's DAG waits until someone unpauses it")
    image: str | None = None
    scheduler_memory: str | None = None
    worker_memory: str | None = None
    feed_port: int | None = Field(default=None, description="of the feed's web server, on 127.0.0.1")
    feed_domain: str | None = Field(default=None, description="the name under which phones reach the feed, behind TLS")
    domain: str | None = Field(default=None, description="the host's name, behind TLS")
    admin_password: SecretStr | None = None
    operator_password: SecretStr | None = None
    viewer_password: SecretStr | None = None
