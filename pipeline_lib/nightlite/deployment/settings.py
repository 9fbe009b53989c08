"""Settings of one deployment: the union of every layer's."""

from pydantic import Field

from nightlite.ondevice import settings as ondevice
from nightlite.settings import process_settings


class Settings(ondevice.Settings):
    """All settings except those of notices, of the client's access and of Compose."""

    port: int = Field(
        default=8080, ge=1, le=65535, description="the local Airflow's on 127.0.0.1; containers': in .env"
    )
    keep_runs_days: int = Field(
        default=365, ge=0, description="containers only: how long Airflow's runs and task logs are kept; 0: forever"
    )


def settings() -> Settings:
    """Return the deployment's settings of this process.

    Raises:
      SettingsError: a variable is malformed.
    """
    return process_settings(Settings)
