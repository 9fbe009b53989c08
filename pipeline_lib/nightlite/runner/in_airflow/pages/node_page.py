"""Page behind a task's button *Artifacts*: its node's outputs, file by file, each a link."""

from collections.abc import Sequence
from importlib.resources import files
from urllib.parse import quote

from jinja2 import Environment, StrictUndefined

from nightlite.runner.in_airflow.pages.output_files import NodeOutput, listing
from nightlite.runner.node_result import NodeResult


def node_page(
    task_id: str, result: NodeResult, outputs: list[NodeOutput], run_url: str, refusals: Sequence[str] = ()
) -> str:
    """Return the page as HTML.

    Args:
      task_id: the node's task.
      result: the node's result.
      outputs: what it made.
      run_url: the address of the run's page.
      refusals: what the node refused, in words.
    """
    text = files("nightlite.runner.in_airflow.pages").joinpath("node_page.html.j2").read_text(encoding="utf-8")
    page = Environment(autoescape=True, trim_blocks=True, undefined=StrictUndefined).from_string(text)
    # Relative to the page's own address, wherever the server is mounted.
    files_url = f"{quote(task_id, safe='')}/files"
    listings = map(listing, outputs)
    return page.render(node=result, refusals=refusals, listings=listings, run_url=run_url, files_url=files_url)
