"""App in Airflow's UI: a node's outputs and their files, for readers of the runs.

Airflow mounts a plugin's app without its login. So the routes here ask for it, as Airflow's own do.
"""

from collections.abc import Callable, Sequence

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import requires_access_dag
from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import FileResponse

from nightlite.runner.in_airflow.pages.links import URL_PREFIX, run_path
from nightlite.runner.in_airflow.pages.node_page import node_page
from nightlite.runner.in_airflow.pages.output_files import NodeOutput, artifacts_of, file_in
from nightlite.runner.in_airflow.xcom import stored_results
from nightlite.runner.node_result import NodeResult
from nightlite.runner.settings import settings

# The pages hold outside text, so only styles are allowed: charts have style attributes.
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "private, no-cache",
}
# A node's file may be anything, so it is downloaded, never shown.
FILE_HEADERS = HEADERS | {"Content-Security-Policy": f"sandbox; {HEADERS['Content-Security-Policy']}"}
RUN = "/dags/{dag_id}/runs/{run_id}"
_NOTHING = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="color-scheme" content="light dark">
<title>Nothing here</title><body style="font: 15px/1.5 system-ui, sans-serif; margin: 2rem">
<p>{}</p>"""

may_read_run = requires_access_dag("GET", DagAccessEntity.RUN)


def nothing(reason: str) -> Response:
    """Return the page of what is not there: 404, with the reason."""
    return Response(_NOTHING.format(reason), 404, HEADERS, "text/html")


def add_get(app: FastAPI, path: str, endpoint: Callable[..., Response]) -> None:
    """Add a route that only readers of the DAG's runs may ask."""
    app.add_api_route(path, endpoint, methods=["GET", "HEAD"], dependencies=[Depends(may_read_run)])


def runner_app() -> FastAPI:
    """Return the app that Airflow mounts. It serves files below the pipeline roots alone."""
    app = FastAPI(title="nightlite: artifacts", docs_url=None, redoc_url=None, openapi_url=None)
    add_node_routes(app, URL_PREFIX, _outputs)
    return app


def add_node_routes(
    app: FastAPI,
    prefix: str,
    outputs_of: Callable[[NodeResult], list[NodeOutput]],
    refusals_of: Callable[[NodeResult], Sequence[str]] = lambda _: (),
) -> None:
    """Add the page of a node's outputs, and their files.

    Args:
      prefix: where Airflow mounts the app.
      outputs_of: returns a node's outputs.
      refusals_of: returns what a node refused, in words.
    """

    # Plain functions: FastAPI runs them in threads that may wait for database and disk.
    def node(request: Request, dag_id: str, run_id: str, task_id: str, session: SessionDep) -> Response:
        result = stored_results(session, dag_id, run_id, task_id).get(task_id)
        if result is None:
            return nothing("This task has left no result: it has not ended, or its XCom was removed.")
        run_url = request.scope["root_path"].removesuffix(prefix) + run_path(dag_id, run_id)
        page = node_page(task_id, result, outputs_of(result), run_url, refusals_of(result))
        return Response(page, 200, HEADERS, "text/html")

    def file(dag_id: str, run_id: str, task_id: str, key: str, path: str, session: SessionDep) -> Response:
        result = stored_results(session, dag_id, run_id, task_id).get(task_id)
        output = next((output for output in outputs_of(result) if output.key == key), None) if result else None
        found = file_in(output.within, output.uri, path) if output else None
        if found is None:
            return nothing("This task has made no such file, or it was removed.")
        return FileResponse(found, 200, FILE_HEADERS, "application/octet-stream", filename=found.name)

    add_get(app, f"{RUN}/nodes/{{task_id}}", node)
    add_get(app, f"{RUN}/nodes/{{task_id}}/files/{{key}}/{{path:path}}", file)


def _outputs(result: NodeResult) -> list[NodeOutput]:
    """Return the node's artifacts. An XCom may name any folder, so files are served from the pipeline roots alone."""
    return [NodeOutput(str(item.id), title, item.uri, settings().roots_shown) for title, item in artifacts_of(result)]
