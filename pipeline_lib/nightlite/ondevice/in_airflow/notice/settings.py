"""Who is told of what a run came to: read from `MNIST_LITE_NOTIFY_*` environment variables where a notice is sent.

Nothing here is put into a DAG: what a DAG holds is stored in Airflow's database and shown by its UI.
"""

import re
from pathlib import Path
from typing import Annotated, get_args

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from nightlite.errors import SettingsError
from nightlite.ondevice.outcome import Event
from nightlite.settings import read_variables

PREFIX = "MNIST_LITE_NOTIFY_"

_EVENTS: tuple[Event, ...] = get_args(Event)


class NoticeSettings(BaseSettings):
    """Which events are told, and to whom; whoever is not named is not told. Empty variables count as unset."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, frozen=True, extra="ignore")

    on: Annotated[tuple[Event, ...], NoDecode] = Field(
        default=("pushed", "refused", "failed", "late"), description=f"some of {', '.join(_EVENTS)}"
    )
    urls: SecretStr | None = Field(default=None, description="people: apprise's URLs, separated by spaces or commas")
    urls_file: Path | None = Field(default=None, description="file of such URLs")
    webhook: SecretStr | None = Field(default=None, description="a program: address that receives the notice as JSON")
    webhook_secret: SecretStr | None = Field(default=None, description="signs what is sent there (HMAC-SHA256)")

    @field_validator("on", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("urls")
    @classmethod
    def _urls(cls, urls: SecretStr | None) -> SecretStr | None:
        if urls and not re.match(r"\s*\w+://", urls.get_secret_value()):
            raise ValueError("expected addresses such as mailtos://… or slack://…, separated by spaces or commas")
        return urls

    @field_validator("webhook")
    @classmethod
    def _address(cls, url: SecretStr | None) -> SecretStr | None:
        if url and not re.match(r"https?://[^/]", url.get_secret_value()):
            raise ValueError("expected an address that begins with https:// or http://")
        return url

    @property
    def somebody(self) -> bool:
        """Whether there is anybody to tell."""
        return bool(self.urls or self.urls_file or self.webhook)

    @property
    def after_runs(self) -> bool:
        """Whether somebody is to be told of anything that is known when a run has ended."""
        return self.somebody and self.on != ("late",)

    def tells(self, event: Event) -> bool:
        """Whether anybody is to be told of it."""
        return self.somebody and event in self.on

    def addresses(self) -> str | None:
        """Return people's addresses, from the variable or its file; None where there is neither.

        Raises:
          SettingsError: the file cannot be read.
        """
        if self.urls or not self.urls_file:
            return self.urls.get_secret_value() if self.urls else None
        try:
            return self.urls_file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "not UTF-8"
            raise SettingsError(
                f"{PREFIX}URLS_FILE: expected a file that holds addresses. Received: {self.urls_file}, {reason}"
            ) from None


def notice_settings() -> NoticeSettings:
    """The settings as this process's environment has them now.

    Raises:
      SettingsError: a variable does not hold what it should. The sentence never shows what may be a secret.
    """
    return read_variables(NoticeSettings)


def tells_after_runs() -> bool:
    """Whether runs are to end with a notice: for a DAG, which a variable that is wrong must not keep from running.

    The notice itself then says which one it is.
    """
    try:
        return notice_settings().after_runs
    except SettingsError:
        return True
