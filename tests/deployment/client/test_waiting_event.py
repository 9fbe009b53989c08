"""An Asset event that waits for the DAG's next run, as Airflow's own API answers it."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from nightlite.deployment.client.access import Access
from nightlite.deployment.client.rest import AirflowRest
from tests.real_airflow import api_application, token

DAG = (
    "from airflow.sdk import DAG, Asset, BaseOperator\n"
    "dag = DAG('on_data', schedule=[Asset('spans')])\nBaseOperator(task_id='a', dag=dag)\n"
)


@pytest.fixture
def rest(tmp_path: Path, airflow_database: None) -> Iterator[AirflowRest]:
    """Yield a client of Airflow's API application, which knows one DAG on an Asset."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db

    (tmp_path / "on_data.py").write_text(DAG)
    DagBundlesManager().sync_bundles_to_db()
    sync_bag_to_db(DagBag(str(tmp_path)), "dags-folder", None)
    with api_application() as application:
        server = TestClient(application)

        def answer(request: httpx.Request) -> httpx.Response:
            found = server.request(request.method, request.url.raw_path.decode(), headers=dict(request.headers))
            return httpx.Response(found.status_code, json=found.json())

        access = Access(url="http://airflow", token=SecretStr(token("viewer")))
        yield AirflowRest(access, httpx.MockTransport(answer))


def test_it_is_found_while_it_waits(rest: AirflowRest) -> None:
    from airflow.models.asset import AssetDagRunQueue, AssetModel
    from airflow.utils.session import create_session

    assert rest.waiting_event("on_data") is None
    assert rest.waiting_event("no_such_dag") is None
    with create_session() as session:
        asset_id = session.query(AssetModel.id).filter(AssetModel.name == "spans").scalar()
        session.add(AssetDagRunQueue(asset_id=asset_id, target_dag_id="on_data"))
    with create_session() as session:
        made = session.query(AssetDagRunQueue.created_at).filter_by(target_dag_id="on_data").scalar()
    assert rest.waiting_event("on_data") == made
