"""Steps of a person on a page of `nightlite try`, in the installed Chromium: for the tests, the bench and a picture.

    python -m web.try_steps ADDRESS [STEPS_FILE]

runs where Playwright is. ADDRESS may be a file's path. STEPS_FILE holds JSON, see `Steps`. It prints what it saw as
JSON. `in_chromium()` calls it from any environment.
"""

import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypedDict

from docs import chromium
from web.in_chromium import BrowserError

PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1600, "height": 1000}
_LIMIT_MS = 120_000
# For the browser to hand the page the last of the events.
_SETTLE_MS = 100
Point = Sequence[float]


class Steps(TypedDict, total=False):
    """Steps on the page.

    drawings: each a list of strokes, each a list of points in shares of the pad's width and height.
    pictures: paths of pictures, opened one after the other.
    fields: values by the labels of fields.
    golden: number of golden examples to click.
    touch: draw by touch, as on a phone of 390 px, else by mouse in a window of 1,600 px.
    dark: in dark colours.
    screenshot: a file to write at the end.
    token: Airflow's, for its cookie.
    """

    drawings: list[list[list[Point]]]
    pictures: list[str]
    fields: dict[str, str]
    golden: int
    touch: bool
    dark: bool
    screenshot: str
    token: str


def in_chromium(address: str, steps: Steps, folder: Path) -> dict[str, Any]:
    """Return what was seen on the page: `ready`, `usable_ms` after the request, an answer for each step, `logged`.

    Raises:
      BrowserError: the page says why it does not work.
    """
    file = folder / "steps.json"
    file.write_text(json.dumps(steps), encoding="utf-8")
    done = chromium.run("web.try_steps", address, str(file))
    if done.returncode:
        raise BrowserError(done.stderr.strip())
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def walk(address: str, steps: Steps) -> dict[str, Any]:
    """Open the page, and do the steps."""
    from playwright.sync_api import sync_playwright

    touch = steps.get("touch", False)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium.installed(), args=chromium.options())
        try:
            context = browser.new_context(
                viewport=PHONE if touch else DESKTOP,
                has_touch=touch,
                is_mobile=touch,
                color_scheme="dark" if steps.get("dark") else "light",
            )
            if token := steps.get("token"):
                context.add_cookies([{"name": "_token", "value": token, "url": address}])
            page = context.new_page()
            logged: list[str] = []
            page.on("console", lambda message: logged.append(message.text))
            page.on("pageerror", lambda error: logged.append(str(error)))
            requests: list[str] = []
            page.on("request", lambda request: requests.append(request.url))
            usable_ms = open_page(page, address)
            body = page.locator("body")
            seen: dict[str, Any] = {
                "ready": json.loads(body.get_attribute("data-ready") or "{}"),
                "usable_ms": usable_ms,
                "origin": page.evaluate("self.origin"),
                "state": page.locator("#state").inner_text(),
                "facts": page.locator("#facts").inner_text(),
            }
            seen["answers"] = list(_answers(page, context, steps, touch))
            seen |= {"logged": logged, "requests": [url for url in requests if not url.startswith("data:")]}
            seen["width"] = page.evaluate("document.documentElement.scrollWidth")
            if screenshot := steps.get("screenshot"):
                page.screenshot(path=screenshot, full_page=True)
            return seen
        finally:
            browser.close()


def open_page(page: Any, address: str) -> float:
    """Open a page, and return the time in ms from the request to a page that answers.

    Raises:
      BrowserError: the page says that it cannot answer.
    """
    began = time.perf_counter()
    page.goto(address)
    body = page.locator("body[data-ready], body[data-failure]")
    body.wait_for(timeout=_LIMIT_MS)
    usable_ms = (time.perf_counter() - began) * 1000
    if failure := body.get_attribute("data-failure"):
        raise BrowserError(failure)
    return usable_ms


def _answers(page: Any, context: Any, steps: Steps, touch: bool) -> Any:
    for strokes in steps.get("drawings", []):
        page.locator("#clear").click()
        (_touch if touch else _mouse)(page, context, strokes)
        picture = page.evaluate("document.querySelector('.pad canvas').toDataURL('image/png')")
        yield _answer(page) | {"picture": picture.partition(",")[2]}
    for file in steps.get("pictures", []):
        page.locator("input[type=file]").set_input_files(file)
        yield _answer(page)
    for label, value in steps.get("fields", {}).items():
        field = page.get_by_label(label, exact=False).first
        if field.evaluate("element => element.tagName") == "SELECT":
            field.select_option(value)
        else:
            field.fill(value)
    if steps.get("fields"):
        yield _answer(page)
    for button in page.locator("#golden button").all()[: steps.get("golden", 0)]:
        button.click()
        yield _answer(page)


def _answer(page: Any) -> dict[str, Any]:
    """Return the answer that the page shows, and the tensors that it asked the model about."""
    page.wait_for_timeout(_SETTLE_MS)
    page.locator("body:not([data-busy])").wait_for(timeout=_LIMIT_MS)
    found = json.loads(page.locator("body").get_attribute("data-answer"))
    return {**found, "inputs": page.evaluate("self.lastInputs")}


def _points(page: Any, stroke: Sequence[Point]) -> list[tuple[float, float]]:
    box = page.locator(".pad canvas").bounding_box()
    return [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in stroke]


def _mouse(page: Any, _: Any, strokes: Sequence[Sequence[Point]]) -> None:
    for stroke in strokes:
        (x, y), *others = _points(page, stroke)
        page.mouse.move(x, y)
        page.mouse.down()
        for x, y in others:
            page.mouse.move(x, y, steps=3)
        page.mouse.up()


def _touch(page: Any, context: Any, strokes: Sequence[Sequence[Point]]) -> None:
    session = context.new_cdp_session(page)

    def send(kind: str, *points: tuple[float, float]) -> None:
        touches = [{"x": x, "y": y} for x, y in points]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})

    for stroke in strokes:
        points = _points(page, stroke)
        send("touchStart", points[0])
        for point in points[1:]:
            send("touchMove", point)
        send("touchEnd")
    session.detach()


def main(address: str, steps_file: str = "") -> int:
    steps: Steps = json.loads(Path(steps_file).read_text(encoding="utf-8")) if steps_file else {}
    try:
        print(json.dumps(walk(Path(address).absolute().as_uri() if os.path.exists(address) else address, steps)))
    except BrowserError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
