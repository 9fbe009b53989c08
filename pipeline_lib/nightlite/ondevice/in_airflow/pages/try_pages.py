"""Pages in Airflow on which a person tries a release, or a run's candidate before it is approved.

They run scripts, so each gets an opaque origin: it reads nothing of Airflow's, and none of the reader's cookies.
"""

import html
import pathlib
from collections.abc import Callable, Mapping
from typing import Annotated

from airflow.api_fastapi.common.db.common import SessionDep
from fastapi import FastAPI, Path, Request, Response

from nightlite.errors import NightliteError
from nightlite.ondevice.contract.file_contract import TFLITE_FILE
from nightlite.ondevice.contract.golden import GOLDEN_FILE
from nightlite.ondevice.in_airflow.pages.releases_page import model_of
from nightlite.ondevice.model import LITE, pipeline_name
from nightlite.ondevice.releases.reader import ReleaseReader
from nightlite.ondevice.report_files import TRY_PAGE
from nightlite.ondevice.results.run_summary import JUDGE_NODE, summarize
from nightlite.ondevice.settings import settings
from nightlite.ondevice.try_it.declared import compiled_declaration
from nightlite.ondevice.try_it.page import Subject, TryPage, try_page
from nightlite.ondevice.try_it.runtime import web_runtime
from nightlite.ondevice.try_it.subjects import of_candidate, of_release
from nightlite.runner.in_airflow.pages.app import HEADERS, RUN, add_get, nothing
from nightlite.runner.in_airflow.pages.output_files import file_in
from nightlite.runner.in_airflow.xcom import by_group, stored_results
from nightlite.runner.node_result import NodeResult

_NO_MODEL = "This DAG makes no releases: it is no model's nightly DAG."
_NO_CANDIDATE = "This run has no file to try: its Trainer has not ended, or its files were removed."


def add_try_routes(app: FastAPI) -> None:
    """Add the pages of releases and candidates. They go before routes that take any name."""
    add_get(app, f"/dags/{{dag_id}}/releases/{{version}}/{TRY_PAGE}", _release)
    add_get(app, f"{RUN}/{TRY_PAGE}", _candidate)


def _release(request: Request, dag_id: str, version: Annotated[int, Path(ge=1)]) -> Response:
    """Return the page of a release."""
    if not (name := model_of(dag_id)):
        return nothing(_NO_MODEL)

    def subject() -> Subject:
        releases = ReleaseReader(settings().folders(name).releases)
        return of_release(releases.release(version), compiled_declaration(name, settings()), releases.history())

    return _page(request, subject)


def _candidate(request: Request, dag_id: str, run_id: str, session: SessionDep, group: str = "") -> Response:
    """Return the page of the file that a run made, or a `TfxTaskGroup` in it."""
    results = by_group(stored_results(session, dag_id, run_id)).get(group, {})
    trainer, name = _lite_trainer(results)
    model = _file(results, name, trainer, "Model", f"Format-Serving/{TFLITE_FILE}") if name else None
    if model is None:
        return nothing(_NO_CANDIDATE)
    golden = _file(results, name, JUDGE_NODE, "InfraBlessing", GOLDEN_FILE)
    quality = summarize(results).tflite
    return _page(request, lambda: of_candidate(run_id, model, golden, quality, compiled_declaration(name, settings())))


def _lite_trainer(results: Mapping[str, NodeResult]) -> tuple[str, str]:
    """Return the id of the node that wrote the file, and the name of its model; "" and "" if there is none."""
    for node_id in results:
        name = node_id.removeprefix("Trainer.").removesuffix(LITE)
        if node_id == f"Trainer.{name}{LITE}" and model_of(pipeline_name(name)):
            return node_id, name
    return "", ""


def _file(results: Mapping[str, NodeResult], name: str, node_id: str, kind: str, path: str) -> pathlib.Path | None:
    """Return a file of a node's artifact of that type, or None if there is none among the model's artifacts."""
    made = results[node_id].artifacts() if node_id in results else []
    uris = [item.uri for item in made if item.type == kind]
    return file_in([settings().folders(name).artifacts], uris[0], path) if uris else None


def _page(request: Request, subject: Callable[[], Subject]) -> Response:
    """Return the page, "not modified" to a browser that has it, or the reason why there is none."""
    try:
        page = try_page(subject(), web_runtime())
    except NightliteError as error:
        return nothing(html.escape(str(error)))
    headers = {**HEADERS, "Content-Security-Policy": sandboxed(page), "ETag": page.etag}
    if request.headers.get("If-None-Match") == page.etag:
        return Response(None, 304, headers)
    return Response(page.html, 200, headers, "text/html")


def sandboxed(page: TryPage) -> str:
    """Return the policy of a page in an opaque origin, which only Airflow's own pages embed."""
    return f"sandbox allow-scripts; {page.policy}; frame-ancestors 'self'"
