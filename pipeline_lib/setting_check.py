"""The check of every `MNIST_LITE_…` variable, made before Airflow is started: a bad one would only end the nights."""

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic_settings import BaseSettings

from pipeline_lib.access import AccessVariables
from pipeline_lib.container_settings import ContainerVariables
from pipeline_lib.did_you_mean import did_you_mean
from pipeline_lib.errors import SettingsError
from pipeline_lib.notice_settings import NoticeSettings, notice_settings
from pipeline_lib.settings import PREFIX, RunDefaults, Settings, read_variables, run_defaults

_IN_SETTINGS_FILE: tuple[type[BaseSettings], ...] = (Settings, RunDefaults, NoticeSettings)
# Read where pydantic is not at hand, or set by this project for its own processes.
_OTHERS = frozenset(
    {
        "MNIST_LITE_IN_DOT_ENV",
        "MNIST_LITE_RUNTIME_DIR",
        "MNIST_LITE_SETTINGS_FILE",
        "MNIST_LITE_STACK",
    }
)
# The image's own, and what Compose's file sets or reads itself: wherever they stand, they change no container.
OF_THE_HOST = frozenset(
    f"{PREFIX}{name}"
    for name in ("VAR_DIR", "TFX_PYTHON", "AIRFLOW_PYTHON", "COMPILED_PIPELINE", "CODE_REVISION", "PORT")
)
_OF_TESTS = "MNIST_LITE_TEST_"


def known_variables() -> frozenset[str]:
    """Return the names of all variables that anything here reads, but for the tests' own."""
    return _OTHERS | _names(*_IN_SETTINGS_FILE, AccessVariables, ContainerVariables)


def placed_variables() -> tuple[frozenset[str], frozenset[str]]:
    """Return the variables that containers take from settings.env, and those that Compose takes from .env."""
    return _names(*_IN_SETTINGS_FILE) - OF_THE_HOST, _names(ContainerVariables)


def _names(*kinds: type[BaseSettings]) -> frozenset[str]:
    fields = ((kind.model_config.get("env_prefix", ""), kind.model_fields) for kind in kinds)
    return frozenset(prefix + name.upper() for prefix, names in fields for name in names)


def refuse_unknown_variables(environ: Mapping[str, str] = os.environ) -> None:
    """Refuse a name that has our prefix and that nothing reads.

    Raises:
      SettingsError: it names them, and never their values, which may be secrets.
    """
    known = known_variables()
    given = {name for name in environ if name.upper().startswith(PREFIX) and not name.upper().startswith(_OF_TESTS)}
    if unknown := sorted(name for name in given if name.upper() not in known):
        raise SettingsError(
            f"{did_you_mean([name.upper() for name in unknown], sorted(known), PREFIX)}Expected only variables "
            f"{PREFIX}… that README.md, settings.env.example or .env.example lists. Received: {', '.join(unknown)}"
        )


def refuse_misplaced_variables(environ: Mapping[str, str] = os.environ) -> None:
    """Refuse a variable in a file where no container would see it.

    Args:
      environ: of `init`, which has all of .env and settings.env. `MNIST_LITE_IN_DOT_ENV` has the names of our variables
        that .env, or the shell that called Compose, has: docker/in-dot-env.env.

    Raises:
      SettingsError: it names the variables, and the file that they belong to.
    """
    if (named := environ.get("MNIST_LITE_IN_DOT_ENV")) is None:
        return  # no container
    in_dot_env = set(named.split())
    settings, composes = placed_variables()
    if found := sorted(settings & in_dot_env):
        raise SettingsError(
            f"{', '.join(found)}: expected in settings.env, which every container reads. "
            "Received: in .env, or from the shell; move it there"
        )
    if found := sorted((composes & environ.keys()) - in_dot_env):
        raise SettingsError(
            f"{', '.join(found)}: expected in .env, which Compose reads. Received: in settings.env; move it there"
        )


def check_settings(config: Settings, *, with_files: bool = True) -> None:
    """Check every variable.

    Args:
      config: the settings, which are checked by having been read.
      with_files: also the files that they name; some containers have not all of these.

    Raises:
      SettingsError: a name is unknown, a value is not what it should be, or a file cannot be read.
    """
    refuse_unknown_variables()
    run_defaults()
    notices = notice_settings()
    read_variables(AccessVariables)
    read_variables(ContainerVariables)
    if with_files:
        _ = config.mlmd_url
        notices.addresses()
        _require_file("signing_key", config.signing_key)
        _require_file("verifying_key", config.verifying_key)


def _require_file(name: str, path: Path | None) -> None:
    if path and not (path.is_file() and os.access(path, os.R_OK)):
        raise SettingsError(f"{PREFIX}{name.upper()}: expected a file that can be read. Received: {path}")
