"""Check of settings.env and .env: a setting in the wrong one of them is silently without effect in containers."""

from pathlib import Path

from nightlite.deployment.container_settings import ContainerVariables
from nightlite.deployment.installation.check import Check, ok, warning
from nightlite.deployment.setting_check import known_variables
from nightlite.paths import PROJECT
from nightlite.settings import PREFIX
from nightlite.settings_file import settings_of_file

NAME = "files of settings"
# What docker-compose.yml itself replaces, which Compose reads from .env alone.
_OF_COMPOSE = frozenset(f"{PREFIX}{name}".upper() for name in ContainerVariables.model_fields)
# Either file may have these: settings.env for the local Airflow or a client, .env for the containers.
_OF_BOTH = frozenset({"NIGHTLITE_PORT", "NIGHTLITE_URL"})


def check(folder: Path = PROJECT) -> Check:
    """Check that each variable stands in the file from which it is read.

    Raises:
      SettingsError: one of the files cannot be read.
    """
    settings, secrets = settings_of_file(folder / "settings.env"), settings_of_file(folder / ".env")
    for_compose = sorted(settings.keys() & _OF_COMPOSE)
    for_all = sorted((secrets.keys() & known_variables()) - _OF_COMPOSE - _OF_BOTH)
    found = []
    if for_compose:
        found.append(f"{', '.join(for_compose)} in settings.env, which Compose reads from .env alone")
    if for_all:
        found.append(f"{', '.join(for_all)} in .env, which containers and local commands read from settings.env alone")
    if found:
        return warning(NAME, "; ".join(found), "move them to the other file")
    there = [name for name, values in (("settings.env", settings), (".env", secrets)) if values]
    return ok(NAME, f"{' and '.join(there) or 'none'}: each variable is where it is read")
