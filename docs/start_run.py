"""Start a run with Airflow's official client (`pip install apache-airflow-client`), wait for it, print its outcome.

Exit code: 0 released, nothing new, or a dry run of a blessed model; 1 failed; 2 not started; 3 model not released.

    NIGHTLITE_URL=http://127.0.0.1:8080 NIGHTLITE_USER=admin NIGHTLITE_PASSWORD=… \\
        .venvs/airflow/bin/python docs/start_run.py 'push=dry run'
"""

import contextlib
import json
import os
import sys
import time
import urllib.request
from typing import Any

from airflow_client import client
from urllib3.exceptions import HTTPError

DAG_ID, PUSHER = "mnist_tflite", "Pusher.mnist_lite"


def token(url: str, user: str, password: str) -> str:
    """Return a token from Airflow's own endpoint, which the client lacks."""
    form = json.dumps({"username": user, "password": password}).encode()
    request = urllib.request.Request(f"{url}/auth/token", form, {"Content-Type": "application/json"})  # noqa: S310
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        return str(json.load(answer)["access_token"])


def values(texts: list[str], params: dict[str, Any]) -> dict[str, Any]:
    """Return NAME=VALUE by name: text if the DAG's parameter may be a text, such as span=7, else JSON if possible."""
    found: dict[str, Any] = {}
    for name, _, value in (text.partition("=") for text in texts):
        is_text = "string" in params.get(name, {}).get("schema", {}).get("type", ())
        try:
            found[name] = value if is_text else json.loads(value)
        except ValueError:
            found[name] = value
    return found


def exit_code(result: dict[str, Any]) -> int:
    """Return a successful run's exit code: 0 released (now or before) or dry run, 3 refused."""
    return 0 if result["facts"].get("outcome") in ("released", "nothing_new", "dry_run") else 3


def sentence(error: Exception) -> str:
    """Return the first line of an error from Airflow or the connection."""
    said: object = error
    if isinstance(error, client.ApiException):
        said = f"{error.status} {error.reason}"
        with contextlib.suppress(ValueError, KeyError, TypeError):  # such as a proxy's page
            said = json.loads(error.body or "")["detail"]
    if isinstance(said, list):
        said = "; ".join(f"{'.'.join(map(str, part['loc']))}: {part['msg']}" for part in said)
    return str(said).strip().partition("\n")[0]


def main(assignments: list[str]) -> int:
    names = [f"NIGHTLITE_{name}" for name in ("URL", "USER", "PASSWORD")]
    if missing := [name for name in names if not os.environ.get(name)]:
        print(f"expected the variables {', '.join(names)}. Received: no {', '.join(missing)}", file=sys.stderr)
        return 2
    if wrong := [text for text in assignments if "=" not in text]:
        print(f"expected NAME=VALUE. Received: {wrong[0]}", file=sys.stderr)
        return 2
    url, user, password = (os.environ[name] for name in names)
    try:
        configuration = client.Configuration(host=url, access_token=token(url, user, password))
    except (OSError, ValueError, KeyError) as error:  # HTTP 401: not the user's password
        print(f"{url}: {sentence(error)}", file=sys.stderr)
        return 2
    with client.ApiClient(configuration) as api:
        runs = client.DagRunApi(api)
        try:
            conf = values(assignments, client.DAGApi(api).get_dag_details(DAG_ID).params or {})
            run = runs.trigger_dag_run(DAG_ID, client.TriggerDAGRunPostBody(logical_date=None, conf=conf))
        except (
            client.ApiException,
            HTTPError,
        ) as error:  # 400: an unknown parameter, or out of bounds; 403: not permitted
            print(sentence(error), file=sys.stderr)
            return 2
        try:
            while run.state not in ("success", "failed"):
                time.sleep(1)
                run = runs.get_dag_run(DAG_ID, run.dag_run_id)
            print(f"{run.dag_run_id}: {run.state.value}")
            if run.state == "failed":
                return 1
            entry = client.XComApi(api).get_xcom_entry(DAG_ID, PUSHER, run.dag_run_id, "return_value")
        except (client.ApiException, HTTPError) as error:
            print(f"{run.dag_run_id}: {sentence(error)}", file=sys.stderr)
            return 1
        result = json.loads(entry.to_json())["value"]
        print(f"pushed as release {result['facts']['pushed_version']}" if result["pushed"] else result["reason"])
        return exit_code(result)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
