"""Draw docs/images anew: Airflow's grid, graph, trigger form and approval, and the report, by an installed Chromium.

uv run --no-project --with-requirements requirements-screenshots.txt python docs/screenshots.py [NAME ...]

It looks at the local Airflow that `make demo` left up (MNIST_LITE_VAR_DIR, MNIST_LITE_PORT) as its admin. Where no run
has asked for an approval yet, it starts one that does, and rejects it.
"""

import json
import os
import shutil
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from palette_png import palette_png
from playwright.sync_api import Error, Page, sync_playwright

PROJECT = Path(__file__).resolve().parents[1]
IMAGES = PROJECT / "docs" / "images"
DAG_ID, APPROVAL = "mnist_tflite", "Approval.mnist_lite"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
GROUPS = ["data", "train", "evaluate", "release"]
WAIT_SECONDS = 600


class Trouble(Exception):
    """A sentence that says what is missing, and what to run."""


class Airflow:
    """The local Airflow's REST API, as its admin."""

    def __init__(self) -> None:
        self.url = f"http://127.0.0.1:{os.environ.get('MNIST_LITE_PORT') or 8080}"
        var_dir = Path(os.environ.get("MNIST_LITE_VAR_DIR") or PROJECT / "var")
        passwords = var_dir / "airflow" / "passwords.json"
        try:
            password = json.loads(passwords.read_text(encoding="utf-8"))["admin"]
        except (OSError, ValueError, KeyError) as error:
            raise Trouble(f"expected the admin's password in {passwords}. Received: {error}. Run 'make demo'") from None
        self.token = self.call("POST", "/auth/token", {"username": "admin", "password": password})["access_token"]

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {getattr(self, 'token', '')}"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers, method=method)  # noqa: S310  its own address
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
                return dict(json.load(answer))
        except urllib.error.HTTPError as error:
            raise Trouble(f"{method} {path}: Airflow refuses ({error.code}): {error.read()[:300]!r}") from None
        except OSError as error:
            raise Trouble(f"expected Airflow at {self.url}. Received: {error}. Run 'make demo'") from None

    def reported_run(self) -> str:
        """The newest run whose ModelReport has ended well; rather one that released something."""
        runs = self.call("GET", f"/api/v2/dags/{DAG_ID}/dagRuns?order_by=-run_after&limit=100&state=success")[
            "dag_runs"
        ]
        if not runs:
            raise Trouble(f"expected a run of {DAG_ID} that has ended well. Received: none. Run 'make demo'")
        released = [run for run in runs if str(run["note"]).startswith("released")]
        return str((released or runs)[0]["dag_run_id"])

    def asking_run(self) -> str:
        """A run that asks for an approval, rather one that still waits; started here where there is none."""
        found = self._asked("~")
        if not found:
            run_id = self._ask()
            found = self._asked(run_id)
            if not found:
                raise Trouble(f"{run_id} asked for no approval, because there is nothing new to approve: see its log")
        waiting = [asked for asked in found if not asked["response_received"]]
        return str((waiting or found)[0]["task_instance"]["dag_run_id"])

    def _asked(self, run_id: str) -> list[dict[str, Any]]:
        run = urllib.parse.quote(run_id, safe="~")
        path = f"/api/v2/dags/{DAG_ID}/dagRuns/{run}/hitlDetails?order_by=-created_at&limit=10"
        return list(self.call("GET", path)["hitl_details"])

    def _ask(self) -> str:
        print("no run has asked for an approval: starting one, which will be rejected", flush=True)
        body = {"logical_date": None, "conf": {"approval": "required", "quantization": "float16"}}
        run_id = str(self.call("POST", f"/api/v2/dags/{DAG_ID}/dagRuns", body)["dag_run_id"])
        path = f"/api/v2/dags/{DAG_ID}/dagRuns/{urllib.parse.quote(run_id, safe='')}"
        deadline = time.monotonic() + WAIT_SECONDS
        while self.call("GET", path)["state"] in ("queued", "running") and not self._asked(run_id):
            if time.monotonic() > deadline:
                raise Trouble(f"{run_id} did not come to its approval within {WAIT_SECONDS} s")
            time.sleep(2)
        self.to_reject = f"{path}/taskInstances/{APPROVAL}/-1/hitlDetails"
        return run_id

    to_reject: str | None = None

    def tidy_up(self) -> None:
        if self.to_reject:
            self.call("PATCH", self.to_reject, {"chosen_options": ["Reject"]})


def grid(page: Page, airflow: Airflow) -> None:
    show(page, airflow, f"/dags/{DAG_ID}", view="grid")
    page.get_by_text("Push mnist lite").first.wait_for()


def graph(page: Page, airflow: Airflow) -> None:
    run = urllib.parse.quote(airflow.reported_run(), safe="")
    show(page, airflow, f"/dags/{DAG_ID}/runs/{run}", view="graph")
    page.get_by_text("Push mnist lite").first.wait_for()


def trigger(page: Page, airflow: Airflow) -> None:
    show(page, airflow, f"/dags/{DAG_ID}", view="grid")
    page.get_by_role("button", name="Trigger").first.click()
    page.get_by_text("Advanced Options").first.wait_for()


def report(page: Page, airflow: Airflow) -> None:
    run = urllib.parse.quote(airflow.reported_run(), safe="")
    page.goto(f"{airflow.url}/mnist-lite/dags/{DAG_ID}/runs/{run}/report.html")


def approval(page: Page, airflow: Airflow) -> None:
    run = urllib.parse.quote(airflow.asking_run(), safe="")
    show(page, airflow, f"/dags/{DAG_ID}/runs/{run}/tasks/{APPROVAL}/required_actions", view="grid")
    page.get_by_role("button", name="Approve").first.wait_for()


def show(page: Page, airflow: Airflow, path: str, view: str) -> None:
    """Open one of Airflow's pages, with the grid or the graph beside it and all task groups unfolded."""
    kept = {"default_dag_view": view, f"{DAG_ID}/open-groups": GROUPS, f"{DAG_ID}/all-groups": GROUPS}
    lines = [f"localStorage.setItem({name!r}, {json.dumps(json.dumps(value))});" for name, value in kept.items()]
    page.add_init_script("".join(lines))
    page.goto(airflow.url + path)


PICTURES: dict[str, tuple[Callable[[Page, Airflow], None], tuple[int, int]]] = {
    "grid": (grid, (1280, 800)),
    "graph": (graph, (1440, 800)),
    "trigger": (trigger, (1280, 1000)),
    "report": (report, (1100, 2300)),
    "approval": (approval, (1280, 900)),
}


def draw(names: list[str]) -> None:
    if unknown := sorted(set(names) - set(PICTURES)):
        raise Trouble(f"expected some of {', '.join(PICTURES)}. Received: {', '.join(unknown)}")
    browser_path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser_path is None:
        raise Trouble("expected Chromium on PATH (Debian: apt-get install chromium). Received: none")
    airflow = Airflow()
    with sync_playwright() as playwright:
        # As root, Chromium has no sandbox to offer; it only looks at this machine's own pages.
        options = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=browser_path, args=options)
        for name in names or PICTURES:
            take, (width, height) = PICTURES[name]
            context = browser.new_context(viewport={"width": width, "height": height}, color_scheme="light")
            context.add_cookies([{"name": "_token", "value": airflow.token, "url": airflow.url}])
            page = context.new_page()
            take(page, airflow)
            page.wait_for_timeout(2500)  # for Airflow's layout and animations, which say nothing when they have ended
            picture = palette_png(page.screenshot())
            (IMAGES / f"{name}.png").write_bytes(picture)
            print(f"docs/images/{name}.png: {len(picture):,} bytes", flush=True)
            context.close()
        airflow.tidy_up()
        browser.close()


def main() -> int:
    try:
        draw(sys.argv[1:])
    except Trouble as trouble:
        print(f"screenshots: {trouble}", file=sys.stderr)
        return 1
    except Error as error:
        print(
            f"screenshots: {error.message.splitlines()[0]}. Is the DAG there, and is Airflow 3.3 up?", file=sys.stderr
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
