"""File settings.env: the settings of the local commands and of the containers. Environment variables win over it."""

import os
import re
from collections.abc import MutableMapping
from pathlib import Path

from nightlite.errors import SettingsError
from nightlite.paths import PROJECT

_QUOTED = re.compile(r"""\s*(export\s+)?\w+\s*=\s*['"]""")
# Processes of the local Airflow have it and keep the settings of their start.
_STARTED = "NIGHTLITE_STACK"


def read_settings_file(environ: MutableMapping[str, str] = os.environ, file: Path = PROJECT / "settings.env") -> None:
    """Add the variables of settings.env to those of the environment, which win.

    Values are read as Compose reads them, except that no `$` is special.

    Raises:
      SettingsError: the file cannot be read, or one of its lines is no assignment.
    """
    if _STARTED in environ or not file.exists():
        return
    from dotenv.parser import parse_stream

    try:
        with open(file, encoding="utf-8") as text:
            bindings = list(parse_stream(text))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"expected a file of settings. Received: {file}, {error}") from None
    for binding in bindings:
        if binding.error or (binding.key and binding.value is None):
            # Not its text, which may hold a secret.
            quoted = "a value with an opening quote and no closing one at its end"
            found = quoted if _QUOTED.match(binding.original.string) else "something else"
            raise SettingsError(f"{file}, line {binding.original.line}: expected NAME=VALUE. Received: {found}")
        if binding.key and binding.value is not None:
            environ.setdefault(binding.key, binding.value)
