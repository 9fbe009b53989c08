"""Address and login of Airflow's REST API, read from the environment, a file or a prompt, never from argv."""

import getpass
import json
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from nightlite.deployment.settings import Settings
from nightlite.errors import SettingsError
from nightlite.settings import read_variables

# The interface and the only user of this checkout's local Airflow.
LOCAL_HOST = "127.0.0.1"
LOCAL_USER = "admin"
_SECRETS = "NIGHTLITE_PASSWORD, NIGHTLITE_PASSWORD_FILE or NIGHTLITE_TOKEN"


class Access(BaseModel):
    """Address and login of one Airflow. A `token` replaces user and password. All secrets print as stars."""

    model_config = ConfigDict(frozen=True)

    url: str
    user: str = ""
    password: SecretStr = SecretStr("")
    token: SecretStr | None = None

    @property
    def is_remote(self) -> bool:
        """Return True unless the address is this machine, which no proxy leads to."""
        return urlsplit(self.url).hostname not in (LOCAL_HOST, "localhost", "::1")


class AccessVariables(BaseSettings):
    """Environment variables of an Airflow's address and login. If none is set, the local Airflow is used."""

    model_config = SettingsConfigDict(env_prefix="NIGHTLITE_", frozen=True, extra="ignore", env_ignore_empty=True)

    url: str | None = Field(default=None, description="address of an Airflow, such as https://airflow.example.com")
    user: str | None = Field(default=None, description="who asks it")
    password: SecretStr | None = None
    password_file: Path | None = Field(default=None, description="holds the password")
    token: SecretStr | None = Field(default=None, description="of Airflow's /auth/token, instead of user and password")

    @field_validator("url")
    @classmethod
    def _address(cls, url: str | None) -> str | None:
        parts = urlsplit(url or "http://local")
        if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
            raise ValueError("expected http://HOST[:PORT][/PATH] or https://…, without a user and password in it")
        return url and url.rstrip("/")


def find_access(config: Settings, ask: Callable[[str], str] | None = None) -> Access | None:
    """Return the Airflow that the environment names, else this checkout's local one, else None.

    Args:
      config: where the local Airflow is.
      ask: asks a person for a missing password (see `ask_password`). None if no one can be asked.

    Raises:
      SettingsError: an address lacks a user or a password, or a variable or file is malformed.
    """
    given = read_variables(AccessVariables)
    if given.url is None:
        return _local(config, given)
    if given.token:
        return Access(url=given.url, token=given.token)
    if not given.user:
        raise SettingsError("expected NIGHTLITE_USER or NIGHTLITE_TOKEN beside NIGHTLITE_URL. Received: neither")
    return Access(url=given.url, user=given.user, password=_password(given, ask))


def ask_password(whose: str) -> str:
    """Ask for a password in the terminal, without echo. Raises SettingsError without a terminal."""
    if not sys.stdin.isatty():
        raise SettingsError(f"Password of {whose}: expected {_SECRETS}, or a terminal. Received: neither")
    return getpass.getpass(f"Password of {whose}: ")


def _password(given: AccessVariables, ask: Callable[[str], str] | None) -> SecretStr:
    if given.password and given.password_file:
        raise SettingsError("expected one of NIGHTLITE_PASSWORD and NIGHTLITE_PASSWORD_FILE. Received: both")
    if given.password_file:
        try:
            return SecretStr(given.password_file.read_text(encoding="utf-8").rstrip("\r\n"))
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(
                f"NIGHTLITE_PASSWORD_FILE: expected a file that holds a password. Received: {error}"
            ) from None
    if password := given.password or (ask and SecretStr(ask(f"{given.user} at {given.url}"))):
        return password
    raise SettingsError(f"expected {_SECRETS} beside NIGHTLITE_URL. Received: none of them")


def _local(config: Settings, given: AccessVariables) -> Access | None:
    """Return the local Airflow at the port of its last start. `make up` writes its password file."""
    home = config.var_dir / "airflow"
    try:
        port = int(json.loads((home / "stack.json").read_text(encoding="utf-8"))["port"])
    except (OSError, ValueError, KeyError, TypeError):
        port = config.port
    url = f"http://{LOCAL_HOST}:{port}"
    if given.token:
        return Access(url=url, token=given.token)
    user = given.user or LOCAL_USER
    if given.password or given.password_file:
        return Access(url=url, user=user, password=_password(given, None))
    passwords = home / "passwords.json"
    try:
        return Access(url=url, user=user, password=json.loads(passwords.read_text(encoding="utf-8"))[user])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SettingsError(f"expected the password of {user} in {passwords}. Received: {error!r}") from None
