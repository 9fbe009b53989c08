"""Names of this deployment's models, by their folders alone. Standard library only, so that commands start at once."""

from pathlib import Path

from nightlite.paths import SOURCES

DECLARATION = "on_device"
FOLDER = SOURCES / "models"


def names(folder: Path = FOLDER) -> list[str]:
    """Return the names of all declared models, without importing any."""
    return sorted(file.parent.name for file in folder.glob(f"*/{DECLARATION}.py"))
