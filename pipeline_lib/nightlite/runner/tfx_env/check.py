"""Check, before a node starts, that the TFX environment is there and holds this very nightlite."""

from pathlib import Path
from typing import NamedTuple

from nightlite.paths import HOW_TO_SET_UP, IS_CHECKOUT, PACKAGE
from nightlite.runner.tfx_env.own_wheel import files_of


class Installed(NamedTuple):
    """A nightlite in an environment: its version, and its files with their digests."""

    version: str
    files: tuple[str, ...]


def why_not(
    python: Path, project_dir: Path, is_checkout: bool = IS_CHECKOUT, site_packages: Path = PACKAGE.parent
) -> str:
    """Return why no node can run with this interpreter in this folder, or "".

    Args:
      site_packages: the folder that this side imports nightlite from.
    """
    if not python.exists():
        return f"no TFX environment at {python}: {HOW_TO_SET_UP}, or set NIGHTLITE_TFX_PYTHON"
    if not project_dir.is_dir():
        return (
            f"expected the folder of your pipelines' code. Received: {project_dir}, which is not there. Make it, or "
            "set NIGHTLITE_PROJECT_DIR"
        )
    if is_checkout:  # both sides import its one folder
        return ""
    environment = python.parent.parent
    mine = _installed(site_packages)
    theirs = [one for folder in environment.glob("lib/python3*/site-packages") for one in _installed(folder)]
    if theirs and theirs == mine:
        return ""
    versions = " and ".join(one.version for one in theirs) or "none"
    other_files = ", with other files" if theirs and versions == " and ".join(one.version for one in mine) else ""
    return (
        f"expected the nightlite of Airflow's environment ({' and '.join(one.version for one in mine) or 'none'}) in "
        f"the TFX environment. Received: {versions}{other_files} in {environment}. "
        f"Run 'nightlite tfx-env {environment}' again"
    )


def _installed(site_packages: Path) -> list[Installed]:
    """Return the versions of nightlite in a folder, by what their installers recorded: that takes a millisecond."""
    found = []
    for info in sorted(site_packages.glob("nightlite-*.dist-info")):
        version = info.name.removesuffix(".dist-info").partition("-")[2]
        record = info / "RECORD"
        lines = record.read_text(encoding="utf-8").splitlines() if record.exists() else []
        found.append(Installed(version, tuple(files_of(lines))))
    return found
