"""Page behind a task's button *Artifacts*: its node's outputs, file by file, each a link."""

from importlib.resources import files
from urllib.parse import quote

from jinja2 import Environment, StrictUndefined

from nightlite.ondevice.in_airflow.pages.artifact_files import NodeOutput, listing
from nightlite.ondevice.results.node_facts import facts_of
from nightlite.runner.node_result import NodeResult


def node_page(result: NodeResult, outputs: list[NodeOutput], run_url: str) -> str:
    """Return the page as HTML.

    Args:
      result: the node's result.
      outputs: what it made.
      run_url: the address of the run's page.
    """
    text = files("nightlite.ondevice.in_airflow.pages").joinpath("artifacts_page.html.j2").read_text(encoding="utf-8")
    page = Environment(autoescape=True, trim_blocks=True, undefined=StrictUndefined).from_string(text)
    # Relative to the page's own address, wherever the server is mounted.
    files_url = f"{quote(result.node_id, safe='')}/files"
    return page.render(
        node=result,
        refusals=facts_of(result).refusals,
        listings=map(listing, outputs),
        run_url=run_url,
        files_url=files_url,
    )
