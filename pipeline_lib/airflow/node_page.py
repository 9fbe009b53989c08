"""The page behind a task's button *Artifacts*: what its node made, file by file, each a link to the file."""

from importlib.resources import files
from urllib.parse import quote

from jinja2 import Environment

from pipeline_lib.airflow.artifact_files import Place, listing
from pipeline_lib.node_result import NodeResult

PLACES_A_PAGE = 50


def node_page(result: NodeResult, places: list[Place], number: int, run_url: str) -> bytes:
    """Return one of the pages as HTML.

    Args:
      result: what the node's task said of it.
      places: what it made.
      number: which page, from 1; each has `PLACES_A_PAGE` places.
      run_url: the address of the run's page.
    """
    first = (number - 1) * PLACES_A_PAGE
    shown = [listing(place) for place in places[first : first + PLACES_A_PAGE]]
    text = files("pipeline_lib.airflow").joinpath("node_page.html.j2").read_text(encoding="utf-8")
    page = Environment(autoescape=True, trim_blocks=True).from_string(text)
    html = page.render(
        node=result,
        listings=shown,
        first=first,
        total=len(places),
        page=number,
        run_url=run_url,
        # Relative to the page's own address, whatever the server is mounted under.
        files_url=f"{quote(result.node_id, safe='', errors='replace')}/files",
    )
    # A file's name may be no UTF-8, and an XCom may hold half a character.
    return html.encode("utf-8", "backslashreplace")
