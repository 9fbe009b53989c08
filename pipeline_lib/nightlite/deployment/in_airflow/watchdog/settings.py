"""Settings of the watchdog, `NIGHTLITE_WATCHDOG_*`. It reads no others but the recipients of notices."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from nightlite.settings import read_variables

PREFIX = "NIGHTLITE_WATCHDOG_"


class WatchdogSettings(BaseSettings):
    """When the watchdog looks, and for how long a model may go without a release."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, frozen=True, extra="ignore")

    hour: int = Field(default=7, ge=0, le=23, description="hour in UTC at which the watchdog looks, once a day")
    nights: int = Field(
        default=7,
        ge=0,
        description="nights without a release, or without a step of a roll-out, until it says so; 0: never",
    )


def watchdog_settings() -> WatchdogSettings:
    """Return the settings from this process's present environment.

    Raises:
      SettingsError: a variable is malformed.
    """
    return read_variables(WatchdogSettings)
