"""Environment of the pages' templates: the report's, a comparison's, and the releases' in Airflow."""

from pathlib import Path

import jinja2

from nightlite.ondevice.results.percent import figure, points, share_of, size

# Of `base.html.j2`, which every page extends.
_BASE = Path(__file__).with_name("templates")


def environment(*folders: Path) -> jinja2.Environment:
    """Return the environment of the templates in these folders, with the base of all pages."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader((*folders, _BASE)),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"percent": share_of, "figure": figure, "bytes": size, "points": points}
    return made
