"""Draw docs/images again, by an installed Chromium: Airflow's pages, the report, and the page that runs a release.

uv run --no-project --with-requirements requirements-screenshots.txt python -m docs.screenshots [NAME ...]

It looks at the local Airflow that `make demo` left up (NIGHTLITE_VAR_DIR, NIGHTLITE_PORT) as its admin. Where no run
waits for an approval, it starts one that does, and rejects it at the end.
"""

import io
import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Error, Locator, Page, sync_playwright

from docs import chromium

PROJECT = Path(__file__).resolve().parents[1]
IMAGES = PROJECT / "docs" / "images"
DAG_ID, APPROVAL = "mnist_tflite", "Approval.mnist_lite"
GROUPS = ["data", "train", "evaluate", "push"]
WAIT_SECONDS = 600
# Controls for a mouse only. The crops would cut some of them in two.
HIDDEN = ".react-flow__panel, [aria-label$=' Details Panel'] { visibility: hidden }"
# A stroke, in shares of the pad's width and height.
SEVEN = ((0.28, 0.22), (0.7, 0.22), (0.6, 0.45), (0.46, 0.84))
SETTLE_MS = 2500  # for Airflow's layout and animations, whose end is not signalled


class Trouble(Exception):
    """A sentence on the missing thing, and the command to run."""


class Airflow:
    """The local Airflow's REST API, as its admin."""

    def __init__(self) -> None:
        self.url = f"http://127.0.0.1:{os.environ.get('NIGHTLITE_PORT') or 8080}"
        var_dir = Path(os.environ.get("NIGHTLITE_VAR_DIR") or PROJECT / "var")
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
        """Return the newest run with a successful ModelReport, preferably one that released a model."""
        runs = self.call("GET", f"/api/v2/dags/{DAG_ID}/dagRuns?order_by=-run_after&limit=100&state=success")[
            "dag_runs"
        ]
        if not runs:
            raise Trouble(f"expected a run of {DAG_ID} that has ended well. Received: none. Run 'make demo'")
        run_ids = [str(run["dag_run_id"]) for run in runs]
        return next(filter(self._released, run_ids), run_ids[0])

    def _released(self, run_id: str) -> bool:
        pusher = f"/api/v2/dags/{DAG_ID}/dagRuns/{urllib.parse.quote(run_id)}/taskInstances/Pusher.mnist_lite"
        return bool(self.call("GET", f"{pusher}/xcomEntries/return_value")["value"]["facts"]["outcome"] == "released")

    def waiting_run(self) -> str:
        """Return a run that waits for an approval. Start one if there is none."""
        waiting = self._waiting("~")
        return str(waiting[0]["task_instance"]["dag_run_id"]) if waiting else self._ask()

    def _waiting(self, run_id: str) -> list[dict[str, Any]]:
        run = urllib.parse.quote(run_id, safe="~")
        query = "state=awaiting_input&response_received=false&order_by=-created_at&limit=1"
        return list(self.call("GET", f"/api/v2/dags/{DAG_ID}/dagRuns/{run}/hitlDetails?{query}")["hitl_details"])

    def _ask(self) -> str:
        print("no run waits for an approval: starting one, which will be rejected", flush=True)
        body = {"logical_date": None, "conf": {"approval": "required", "quantization": "float16"}}
        run_id = str(self.call("POST", f"/api/v2/dags/{DAG_ID}/dagRuns", body)["dag_run_id"])
        path = f"/api/v2/dags/{DAG_ID}/dagRuns/{urllib.parse.quote(run_id, safe='')}"
        deadline = time.monotonic() + WAIT_SECONDS
        while not self._waiting(run_id):
            if self.call("GET", path)["state"] not in ("queued", "running"):
                raise Trouble(f"{run_id} ended without asking: it failed, or nothing is new to approve. See its log")
            if time.monotonic() > deadline:
                raise Trouble(f"{run_id} did not come to its approval within {WAIT_SECONDS} s")
            time.sleep(2)
        self.to_reject = f"{path}/taskInstances/{APPROVAL}/-1/hitlDetails"
        return run_id

    to_reject: str | None = None

    def tidy_up(self) -> None:
        if self.to_reject:
            self.call("PATCH", self.to_reject, {"chosen_options": ["Reject"]})


def grid(page: Page, airflow: Airflow) -> Page:
    # The chart of the DAG's overview writes the median over the first bar.
    show(page, airflow, f"/dags/{DAG_ID}/runs", view="grid")
    page.get_by_text("Push mnist lite").first.wait_for()
    return page


def graph(page: Page, airflow: Airflow) -> Locator:
    run = urllib.parse.quote(airflow.reported_run(), safe="")
    show(page, airflow, f"/dags/{DAG_ID}/runs/{run}", view="graph")
    page.get_by_text("Push mnist lite").first.wait_for()
    page.get_by_role("button", name="Collapse Details Panel").click()
    # The graph keeps its size beside the panel until it is fitted.
    page.wait_for_timeout(SETTLE_MS)
    page.get_by_role("button", name="Fit View").click()
    return page.locator(".react-flow")


def trigger(page: Page, airflow: Airflow) -> Locator:
    show(page, airflow, f"/dags/{DAG_ID}", view="grid")
    page.get_by_role("button", name="Trigger").first.click()
    page.get_by_text("Advanced Options").first.wait_for()
    form = page.get_by_role("dialog")
    form.get_by_role("button", name="Training").click()  # the form keeps one section open at a time
    return form


def report(page: Page, airflow: Airflow) -> Page:
    run = urllib.parse.quote(airflow.reported_run(), safe="")
    page.goto(f"{airflow.url}/nightlite/dags/{DAG_ID}/runs/{run}/report.html")
    end_below(page, page.locator("section", has_text=" to look at"), room=12)
    return page


def releases(page: Page, airflow: Airflow) -> Locator:
    show(page, airflow, f"/dags/{DAG_ID}/plugin/releases", view="grid")
    page.frame_locator("iframe").get_by_role("heading", name="Every change").wait_for()
    return page.locator("#details-panel")


def approval(page: Page, airflow: Airflow) -> Locator:
    run = urllib.parse.quote(airflow.waiting_run(), safe="")
    show(page, airflow, f"/dags/{DAG_ID}/runs/{run}/tasks/{APPROVAL}/required_actions", view="grid")
    reject = page.get_by_role("button", name="Reject")
    reject.wait_for()
    page.wait_for_timeout(SETTLE_MS)
    end_below(page, reject, room=40)
    return page.locator("#details-panel")


def try_it(page: Page, airflow: Airflow) -> Page:
    page.goto(f"{airflow.url}/nightlite/dags/{DAG_ID}/releases")
    page.get_by_role("link", name="try it").first.click()
    page.locator("body[data-ready]").wait_for()
    box = page.locator(".pad canvas").bounding_box()
    assert box
    first, *others = ((box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in SEVEN)
    page.mouse.move(*first)
    page.mouse.down()
    for place in others:
        page.mouse.move(*place, steps=8)
    page.mouse.up()
    return page


def end_below(page: Page, last: Locator, room: int) -> None:
    """Set the window's height so that `last` fits with some room below, whether the page or a panel scrolls."""
    bottom = last.evaluate("element => Math.ceil(element.getBoundingClientRect().bottom)")
    width = page.evaluate("window.innerWidth")
    page.set_viewport_size({"width": width, "height": bottom + room})


def show(page: Page, airflow: Airflow, path: str, view: str) -> None:
    """Open one of Airflow's pages, with the grid or the graph beside it and all task groups unfolded."""
    kept = {
        "default_dag_view": view,
        f"direction-{DAG_ID}": "DOWN",
        f"{DAG_ID}/open-groups": GROUPS,
        f"{DAG_ID}/all-groups": GROUPS,
        # Percents of the width. At Airflow's own 20 the grid hides all but two or three runs.
        "react-resizable-panels:grid-ltr": {"details-panel,main-panel": {"expandToSizes": {}, "layout": [35, 65]}},
    }
    lines = [f"localStorage.setItem({name!r}, {json.dumps(json.dumps(value))});" for name, value in kept.items()]
    page.add_init_script("".join(lines))
    page.goto(airflow.url + path)


# Function that opens the picture's page, the window's width and height, and pixels per window pixel.
PICTURES: dict[str, tuple[Callable[[Page, Airflow], Page | Locator], tuple[int, int], float]] = {
    "grid": (grid, (1280, 800), 1),
    "graph": (graph, (860, 1750), 1.5),
    "trigger": (trigger, (1280, 1360), 1),
    "report": (report, (1100, 2300), 1),
    "releases": (releases, (1760, 860), 1),
    "approval": (approval, (1540, 900), 1),
    "try": (try_it, (900, 900), 1),
}


def draw(names: list[str]) -> None:
    if unknown := sorted(set(names) - set(PICTURES)):
        raise Trouble(f"expected some of {', '.join(PICTURES)}. Received: {', '.join(unknown)}")
    if not (browser_path := chromium.installed()):
        raise Trouble(chromium.MISSING)
    airflow = Airflow()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=chromium.options())
        try:
            for name in names or PICTURES:
                draw_one(name, browser, airflow)
        finally:
            airflow.tidy_up()
            browser.close()


def draw_one(name: str, browser: Browser, airflow: Airflow) -> None:
    take, (width, height), scale = PICTURES[name]
    size = {"width": width, "height": height}
    context = browser.new_context(viewport=size, device_scale_factor=scale, color_scheme="light")
    context.add_cookies([{"name": "_token", "value": airflow.token, "url": airflow.url}])
    page = context.new_page()
    page.set_default_timeout(60_000)
    subject = take(page, airflow)
    page.mouse.move(0, 0)  # away from elements that would show a tooltip
    page.wait_for_timeout(SETTLE_MS)
    path = IMAGES / f"{name}.png"
    # 256 colours: a third of the bytes.
    Image.open(io.BytesIO(subject.screenshot(style=HIDDEN))).convert("RGB").quantize(256).save(path, optimize=True)
    print(f"docs/images/{path.name}: {path.stat().st_size:,} bytes", flush=True)
    context.close()


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
