"""The steps of a person in Airflow's pages, by the installed Chromium: one step a call.

python -m tests.end_to_end.chromium_steps trigger|answer|report|releases|candidate|attack URL [RUN_ID [OPTION]]

Each logs in through the form, as NIGHTLITE_USER with NIGHTLITE_PASSWORD, and prints what it saw as JSON. It runs in
the environment of docs/screenshots.py: Airflow's has no Playwright.
"""

import json
import os
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from playwright.sync_api import Locator, Page, expect, sync_playwright

from docs import chromium

DAG = "/dags/mnist_tflite"
STEP_MS, RUN_MS = 60_000, 600_000
TOO_LOW = "-1"


def log_in(page: Page, url: str) -> None:
    """Log in by the form that Airflow shows in place of the requested page, and go on to that page."""
    page.goto(url)
    page.get_by_label("Username").fill(os.environ["NIGHTLITE_USER"])
    page.get_by_label("Password").fill(os.environ["NIGHTLITE_PASSWORD"])
    page.get_by_role("button", name="Sign in").click()


def run_page(run_id: str) -> str:
    return f"{DAG}/runs/{quote(run_id, safe='')}"


def trigger(page: Page, url: str) -> dict[str, Any]:
    """Try a learning rate that is out of bounds; put it right, ask for float16 and an approval, and start a run."""
    log_in(page, url + DAG)
    page.get_by_role("button", name="Trigger").click()
    form = page.get_by_role("dialog")
    send = form.get_by_role("button", name="Trigger")
    form.get_by_role("button", name="Training", exact=True).click()
    rate = form.get_by_role("spinbutton", name="Learning rate")
    default = rate.input_value()
    rate.fill(TOO_LOW)
    send.click()
    refusal = form.get_by_text("learning_rate: expected")
    refusal.wait_for()
    refused = refusal.inner_text()
    rate.fill(default)
    choose(form, "File", "Quantization", "float16")
    choose(form, "Run", "Approval", "required")
    send.click()
    page.wait_for_url(re.compile(f"{DAG}/runs/."))
    return {"refused": refused, "run_id": unquote(page.url.split("/runs/")[1].split("/")[0].split("?")[0])}


def choose(form: Locator, section: str, name: str, option: str) -> None:
    """Pick what a list offers; the form keeps one section open at a time."""
    form.get_by_role("button", name=section, exact=True).click()
    form.get_by_role("combobox", name=name).click()
    form.page.get_by_role("option", name=option).click()


def answer(page: Page, url: str, run_id: str, option: str) -> dict[str, Any]:
    """Wait on the run's page until it asks, open the question, read it, and answer."""
    log_in(page, url + run_page(run_id))
    page.get_by_role("button", name="Required Actions").click(timeout=RUN_MS)
    page.get_by_role("dialog").get_by_role("link", name="Approval.mnist_lite").click()
    page.wait_for_url("**/required_actions")
    asked = page.locator("#details-panel")
    button = asked.get_by_role("button", name=option, exact=True)
    button.wait_for()
    figures, gates = (cells(asked.get_by_role("table").nth(place)) for place in (0, 1))
    seen = {
        "subject": asked.get_by_text(re.compile("^Push ")).inner_text(),
        "report": asked.get_by_role("link", name="The report of this run").get_attribute("href"),
        "candidate": asked.get_by_role("link", name="Try this model in the browser").get_attribute("href"),
        "figures": figures,
        "gates": gates,
    }
    button.click()
    expect(asked.get_by_text("Response received at")).to_be_visible()
    return seen


def cells(table: Locator) -> list[list[str]]:
    """Return the rows below a table's head."""
    rows = table.get_by_role("row").all()[1:]
    return [row.get_by_role("cell").all_inner_texts() for row in rows]


def report(page: Page, url: str, run_id: str) -> dict[str, Any]:
    """Open the run's tab, and read the page in it."""
    log_in(page, url + run_page(run_id))
    page.locator("a[title='Model report']").click()  # the tab; the task of that name is a link, too
    inside = page.frame_locator("iframe").get_by_role("main")
    inside.wait_for()
    return {"address": page.url, "text": inside.inner_text(), "gates": cells(inside.get_by_role("table").nth(1))}


def candidate(page: Page, url: str, run_id: str) -> dict[str, Any]:
    """Open the run's report, follow its link to the page that runs the file, and draw on that page."""
    log_in(page, url + run_page(run_id))
    page.locator("a[title='Model report']").click()
    inside = page.frame_locator("iframe")
    inside.get_by_role("link", name="Try the file in your browser").click()
    inside.locator("body[data-ready], body[data-failure]").wait_for()
    pad = inside.locator(".pad canvas")
    pad.scroll_into_view_if_needed()
    box = pad.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 5)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] * 4 / 5, steps=5)
    page.mouse.up()
    expect(inside.locator("#verdict")).to_have_text(re.compile("[0-9]"))
    frame = page.frames[1]
    return {
        "state": inside.locator("#state").inner_text(),
        "facts": inside.locator("#facts").inner_text(),
        "verdict": inside.locator("#verdict").inner_text(),
        "origin": frame.evaluate("self.origin"),
        "reads": frame.evaluate(_READS),
    }


# What the page's script can get of Airflow: its cookies, the page around it, its API.
_READS = """async () => {
  const found = [];
  for (const read of [() => document.cookie, () => parent.document.title, () => fetch('/api/v2/dags')]) {
    try { found.push(String(await read())); } catch (error) { found.push(error.name); }
  }
  return found;
}"""


def releases(page: Page, url: str) -> dict[str, Any]:
    """Open the DAG's tab, read the rows, and follow the first one's links to its report and its file."""
    log_in(page, url + DAG)
    page.set_viewport_size({"width": 1600, "height": 1000})  # a narrower page has no table's head
    page.locator("a[title='Releases']").click()
    inside = page.frame_locator("iframe")
    # Above it is the table of what phones get.
    table = inside.locator("table.releases")
    table.wait_for()
    rows = cells(table)
    links = [link.get_attribute("href") for link in inside.get_by_role("link", name="try it").all()]
    with page.expect_download() as download:
        inside.get_by_role("link", name="file").first.click()
    inside.get_by_role("link", name="report").first.click()
    inside.get_by_role("heading", name="Side by side").wait_for()
    return {"rows": rows, "try": links, "bytes": Path(download.value.path()).stat().st_size}


def attack(page: Page, url: str) -> dict[str, Any]:
    """Log in, then open a page of another port that starts a run with a person's cookie, and embeds Airflow."""
    log_in(page, url + DAG)
    page.get_by_role("button", name="Trigger").wait_for()
    [cookie] = [each for each in page.context.cookies() if each["name"] == "_token"]
    seen = {"script reads": page.evaluate("document.cookie"), "cookie": [cookie["httpOnly"], cookie["sameSite"]]}
    start = f"{url}/api/v2{DAG}/dagRuns"
    html = f"""<iframe src="{url}{DAG}"></iframe><script>
        fetch("{start}", {{method: "POST", mode: "no-cors", credentials: "include",
            body: new Blob(['{{"logical_date": null, "conf": {{}}}}'])}})</script>"""
    # The first is the same site as Airflow to a browser, and gets its cookies whatever SameSite says.
    for host in ("127.0.0.1", "localhost"):
        with page.expect_response(start) as answered:
            page.goto(f"http://{host}:{_serve(html)}/")
        seen[host] = {"status": answered.value.status, "embedded": embedded(page)}
    return seen


def embedded(page: Page) -> str:
    """Return where the page's frame ended: a refused one gets its address only after the page has loaded."""
    frame = page.frames[1]
    for _ in range(STEP_MS // 100):
        if frame.url not in ("", "about:blank"):
            break
        page.wait_for_timeout(100)
    return frame.url


def _serve(html: str) -> int:
    """Serve a page at a port of its own, until this process ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(html.encode())

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port


STEPS = {
    "trigger": trigger,
    "answer": answer,
    "report": report,
    "releases": releases,
    "candidate": candidate,
    "attack": attack,
}


def main(step: str, *arguments: str) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium.installed(), args=chromium.options())
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        page.set_default_timeout(STEP_MS)
        expect.set_options(timeout=STEP_MS)
        try:
            print(json.dumps(STEPS[step](page, *arguments)))
        except Exception:
            print(f"{step}: at {page.url}:\n{page.locator('body').aria_snapshot()[:8000]}", file=sys.stderr)
            raise
        finally:
            browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
