"""Measure the time to a page of `nightlite try` that answers, in the installed Chromium.

    python -m bench.tfx.try_page RELEASE_FOLDER --result FILE

The result: `usable` in ms as {"ours": […], "yardstick": […]}, and the page's `bytes`. The yardstick is a page of as
many bytes that does nothing. Both are files; each is opened in a fresh Chromium, whose start is not counted.
"""

import argparse
import json
import tempfile
from pathlib import Path

from models.mnist.on_device import MODEL
from nightlite.ondevice.releases.release import Release
from nightlite.ondevice.try_it.declared import declared
from nightlite.ondevice.try_it.page import try_page
from nightlite.ondevice.try_it.runtime import web_runtime
from nightlite.ondevice.try_it.subjects import of_release
from web import in_chromium, try_steps

RUNS = 3
# What try_steps reads of each page.
_IDLE = '<!doctype html><body data-ready="{{}}"><p id="state">idle</p><p id="facts"></p><p hidden>{}</p></body>'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("release", type=Path)
    parser.add_argument("--result", type=Path, required=True)
    options = parser.parse_args()
    if reason := in_chromium.missing():
        raise SystemExit(reason)
    in_chromium.install_runtime()
    page = try_page(of_release(Release.read(options.release), declared(MODEL)), web_runtime()).html
    found: dict[str, list[float]] = {"ours": [], "yardstick": []}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(RUNS):
            for side, html in (("ours", page), ("yardstick", _IDLE.format("x" * len(page.encode())))):
                file = Path(folder, f"{side}.html")
                file.write_text(html, encoding="utf-8")
                found[side].append(try_steps.in_chromium(str(file), {}, Path(folder))["usable_ms"])
    options.result.write_text(json.dumps({"usable": found, "bytes": len(page.encode())}), encoding="utf-8")


if __name__ == "__main__":
    main()
