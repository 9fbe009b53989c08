"""Configuration of the local Airflow: one private airflow.cfg with the values that differ from Airflow's defaults.

The user manager is Airflow's SimpleAuthManager. It needs no table, no Flask and no command to add a user. A laptop
has one admin, on 127.0.0.1 only. SimpleAuthManager logs a new user's password, so the password is written to its
file first. A deployment that others can reach needs FAB's real users and roles.
"""

import base64
import configparser
import io
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nightlite import durable
from nightlite.deployment.client.access import LOCAL_HOST, LOCAL_USER
from nightlite.errors import StackError

HOST = LOCAL_HOST
USER = LOCAL_USER

# One run at a time on two cores: short poll intervals, few processes.
_TUNING: Mapping[str, Mapping[str, str]] = {
    "core": {
        "parallelism": "8",  # LocalExecutor's workers; the default is 32
        "min_serialized_dag_update_interval": "0",  # `make compile` shows at the next parse, not 30 s later
        "killed_task_cleanup_time": "30",
        "dagbag_import_error_tracebacks": "False",  # our import errors are one sentence with the next step
    },
    "scheduler": {
        # At the default of 1 s each task waits. At 0.1 s an idle scheduler takes 15 % of a core.
        "scheduler_idle_sleep_time": "0.2",
    },
    # A supervisor may notice its task's end this late. Default: 5 s.
    "workers": {"min_heartbeat_interval": "1"},
    "dag_processor": {"parsing_processes": "1", "refresh_interval": "30"},
    "api": {"workers": "1", "expose_config": "non-sensitive-only", "enable_swagger_ui": "False"},
    "usage_data_collection": {"enabled": "False"},
}

# Files of the plugins folder: they switch this deployment's patches of Airflow and the models' tabs on.
_PLUGINS = {
    "airflow_fixes.py": "from nightlite.deployment.airflow_fixes.plugin import AirflowFixes as AirflowFixes\n",
    "model_pages.py": "from nightlite.ondevice.in_airflow.plugin import NightlitePlugin as NightlitePlugin\n",
}

# Seconds to wait for SQLite's write lock. For four components, Python's 5 are too few.
_TURN_SECONDS = 30

# Seconds until a killed process's work is retried. Defaults: 2 to 12 minutes.
_PATIENCE_SECONDS: Mapping[str, str] = {
    "task_instance_heartbeat_timeout": "60",
    "orphaned_tasks_check_interval": "30",
    "task_queued_timeout": "60",
    "task_queued_timeout_check_interval": "30",
}


@dataclass(frozen=True)
class LocalAirflow:
    """Folder and port of one local Airflow.

    `home` (absolute) holds database, logs and secrets. `port` is on 127.0.0.1.
    """

    home: Path
    port: int
    dags_folder: Path

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def passwords_file(self) -> Path:
        return self.home / "passwords.json"

    @property
    def log_folder(self) -> Path:
        return self.home / "logs" / "stack"

    @property
    def plugins_folder(self) -> Path:
        return self.home / "plugins"

    def password(self) -> str:
        """Return the admin's password.

        Raises:
          StackError: there is none yet, or the file is not Airflow's JSON object of passwords by user.
        """
        try:
            return str(json.loads(self.passwords_file.read_text(encoding="utf-8"))[USER])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StackError(
                f'expected {{"{USER}": "<password>"}} in {self.passwords_file}. Received: {error}. '
                "Delete that file, then run 'make down' and 'make up'"
            ) from None

    def write(self) -> None:
        """Write the configuration and, if missing, new secrets and a password. All files are 0600.

        Keys that someone added to airflow.cfg are kept, and so are their plugins.
        """
        self.log_folder.mkdir(parents=True, exist_ok=True)
        # Airflow itself creates the database and the logs, which no one else may read.
        self.home.chmod(0o700)
        if not self.passwords_file.exists():
            write_private(self.passwords_file, json.dumps({USER: secrets.token_urlsafe(18)}) + "\n")
        self.passwords_file.chmod(0o600)
        self.plugins_folder.mkdir(mode=0o700, exist_ok=True)
        for name, text in _PLUGINS.items():
            write_private(self.plugins_folder / name, text)
        config = configparser.RawConfigParser()
        path = self.home / "airflow.cfg"
        try:
            config.read(path, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError) as error:
            raise StackError(
                f"expected an Airflow configuration in {path}. Received: {error}. Mend or delete it"
            ) from None
        for part in (_TUNING, self._places(), _kept(config)):
            for section, values in part.items():
                config.read_dict({section: {key: value.replace("%", "%%") for key, value in values.items()}})
        written = io.StringIO()
        config.write(written)
        write_private(path, written.getvalue())

    def _places(self) -> dict[str, dict[str, str]]:
        return {
            "core": {
                "dags_folder": str(self.dags_folder),
                "plugins_folder": str(self.plugins_folder),
                "load_examples": "False",
                "executor": "nightlite.deployment.airflow_fixes.local_executor.LocalExecutor",
                "auth_manager": "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager",
                "simple_auth_manager_passwords_file": str(self.passwords_file),
                # Airflow's own default is port 8080, whatever [api] port says.
                "execution_api_server_url": f"{self.url}/execution/",
            },
            "database": {
                "sql_alchemy_conn": f"sqlite:///{self.home / 'airflow.db'}?timeout={_TURN_SECONDS}",
                # No limit: the event loop would wait for connections of requests that wait for the loop.
                "sql_alchemy_max_overflow": "-1",
            },
            "logging": {"base_log_folder": str(self.home / "logs")},
            "api": {"host": HOST, "port": str(self.port), "base_url": self.url},
        }


def _kept(config: configparser.RawConfigParser) -> dict[str, dict[str, str]]:
    """Return the values that must survive a restart: secrets, users and timeouts.

    The Fernet key reads the stored connections, and someone may have added users.
    """

    def kept(section: str, key: str, fresh: str) -> str:
        return config.get(section, key, fallback="").replace("%%", "%") or fresh

    return {
        "core": {
            "fernet_key": kept("core", "fernet_key", base64.urlsafe_b64encode(os.urandom(32)).decode()),
            "simple_auth_manager_users": kept("core", "simple_auth_manager_users", f"{USER}:admin"),
        },
        "scheduler": {key: kept("scheduler", key, seconds) for key, seconds in _PATIENCE_SECONDS.items()},
        "api": {"secret_key": kept("api", "secret_key", secrets.token_urlsafe(32))},
        "api_auth": {"jwt_secret": kept("api_auth", "jwt_secret", secrets.token_urlsafe(64))},
    }


def write_private(path: Path, text: str) -> None:
    """Write a 0600 file, whole or not at all."""
    durable.write(path, text.encode(), mode=0o600)
