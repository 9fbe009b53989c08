"""Recipients and events of notices, read from `NIGHTLITE_NOTIFY_*` variables in the process that sends.

No DAG holds them, because Airflow stores a DAG in its database and shows it in its UI.
"""

import re
from pathlib import Path
from typing import Annotated, get_args

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from nightlite.errors import SettingsError
from nightlite.ondevice.results.outcome import Event
from nightlite.settings import read_variables

PREFIX = "NIGHTLITE_NOTIFY_"

_EVENTS: tuple[Event, ...] = get_args(Event)


class Recipients(BaseSettings):
    """Recipients of notices. Empty variables count as unset."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, frozen=True, extra="ignore")

    urls: SecretStr | None = Field(default=None, description="people: apprise's URLs, separated by spaces or commas")
    urls_file: Path | None = Field(default=None, description="file of such URLs")
    webhook: SecretStr | None = Field(default=None, description="a program: address that receives the notice as JSON")
    webhook_secret: SecretStr | None = Field(default=None, description="signs the notices (HMAC-SHA256)")

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
    def has_recipient(self) -> bool:
        """Return whether there is any recipient."""
        return bool(self.urls or self.urls_file or self.webhook)

    def addresses(self) -> str | None:
        """Return people's addresses, from the variable or its file, or None if neither is set.

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


class NoticeSettings(Recipients):
    """Recipients, and the events of a run to notify of."""

    on: Annotated[tuple[Event, ...], NoDecode] = Field(
        default=("pushed", "refused", "failed", "late"), description=f"some of {', '.join(_EVENTS)}"
    )

    @field_validator("on", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @property
    def after_runs(self) -> bool:
        """Return whether a notice may be due when a run has ended."""
        return self.has_recipient and self.on != ("late",)

    def tells(self, event: str) -> bool:
        """Return whether there is a recipient of this event."""
        return self.has_recipient and event in self.on


def notice_settings() -> NoticeSettings:
    """Return the settings from this process's present environment.

    Raises:
      SettingsError: a variable is malformed. The message never shows a possible secret.
    """
    return read_variables(NoticeSettings)


def recipients() -> Recipients:
    """Return the recipients from this process's present environment, whatever the other variables hold.

    Raises:
      SettingsError: a recipient's variable is malformed. The message never shows a possible secret.
    """
    return read_variables(Recipients)


def has_recipient() -> bool:
    """Return whether there is any recipient. A malformed variable counts as one, and the sender then names it."""
    try:
        return recipients().has_recipient
    except SettingsError:
        return True


def tells_after_runs() -> bool:
    """Return whether runs end with a notice. A malformed variable must not stop the DAG, so it counts as yes.

    The notice itself then names the variable.
    """
    try:
        return notice_settings().after_runs
    except SettingsError:
        return True
