"""The commands that ask over REST: what they import, which is what a script that runs them often pays for."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

RUN = {"dag_run_id": "a", "state": "success"}
DAG = {"dag_id": "mnist_tflite", "is_paused": False, "has_import_errors": False, "file_token": "t"}
ANSWERS = {
    "details": DAG | {"last_parsed_time": None, "timetable_summary": None},
    "dagRuns": {"dag_runs": [RUN]},
    "taskInstances": {"task_instances": []},
    "return_value": {"value": None},
    "importErrors": {"import_errors": []},
}
# Runs a command as `nightlite` does, then says which packages it has imported.
PROGRAM = """
import sys
from nightlite.deployment import cli
try:
    code = cli.main()
except SystemExit as end:
    code = end.code
print(code, *sorted({name.partition(".")[0] for name, module in sys.modules.items() if module}), file=sys.stderr)
"""


class _Airflow(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._answer(ANSWERS.get(self.path.partition("?")[0].rpartition("/")[2], RUN))

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(RUN)

    def _answer(self, body: object) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_: object) -> None: ...


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Airflow) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(("command", "code"), [("status", "3"), ("runs", "0"), ("trigger", "0")])
def test_they_need_neither_airflow_nor_what_is_slow_to_import(command: str, code: str, url: str) -> None:
    env = {**os.environ, "NIGHTLITE_URL": url, "NIGHTLITE_TOKEN": "x"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, command, "--model=mnist"], env=env, capture_output=True, text=True, check=False
    )
    ended, *imported = done.stderr.splitlines()[-1].split()
    assert ended == code and {"httpx", "nightlite"} <= set(imported), done.stderr
    assert {"airflow", "tenacity", "tensorflow", "tfx"} & set(imported) == set()
