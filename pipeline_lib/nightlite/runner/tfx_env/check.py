"""Check, before a node starts, that the TFX environment is there and holds this version."""

from pathlib import Path

from nightlite import VERSION
from nightlite.paths import HOW_TO_SET_UP, IS_CHECKOUT


def why_not(python: Path, project_dir: Path, is_checkout: bool = IS_CHECKOUT) -> str:
    """Return why no node can run with this interpreter in this folder, or ""."""
    if not python.exists():
        return f"no TFX environment at {python}: {HOW_TO_SET_UP}, or set NIGHTLITE_TFX_PYTHON"
    if not project_dir.is_dir():
        return (
            f"expected the folder of your pipelines' code. Received: {project_dir}, which is not there. Make it, or "
            "set NIGHTLITE_PROJECT_DIR"
        )
    if is_checkout:  # both sides import its one folder
        return ""
    installed = versions_in(python)
    if installed == [VERSION]:
        return ""
    return (
        f"expected nightlite {VERSION} in the TFX environment, as in Airflow's. Received: "
        f"{' and '.join(installed) or 'none'} in {python.parent.parent}. "
        f"Run 'nightlite tfx-env {python.parent.parent}' again"
    )


def versions_in(python: Path) -> list[str]:
    """Return the versions of nightlite in an interpreter's environment, without starting it."""
    found = python.parent.parent.glob("lib/python3*/site-packages/nightlite-*.dist-info")
    return sorted(path.name.removesuffix(".dist-info").partition("-")[2] for path in found)
