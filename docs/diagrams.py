"""Diagrams of the pages as pictures for the site, which asks no other host: python -m docs.diagrams (`make diagrams`).

GitHub draws ```mermaid itself. Here an installed Chromium does so, with the one file of npm's `mermaid` that it takes.
"""

import hashlib
import re
import subprocess
import tarfile
import tempfile
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
IMAGES = PROJECT / "docs" / "images"
PAGES = ("README.md",)
BLOCK = re.compile(r"^```mermaid\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_PACKAGE = "mermaid@11.16.0"
_SCRIPT = "package/dist/mermaid.min.js"
_SHA256 = "74d7c46dabca328c2294733910a8aa1ed0c37451776e8d5295da38a2b758fb9b"
_OPTIONS = "{startOnLoad: false, deterministicIds: true, htmlLabels: false, flowchart: {htmlLabels: false}}"


class DiagramError(Exception):
    """A diagram has no picture, or an older one's. The message says what to do."""


def path(text: str) -> Path:
    """Return the picture of a diagram, whose name holds the digest of its text: another text needs another picture."""
    return IMAGES / f"diagram-{hashlib.sha256(text.encode()).hexdigest()[:12]}.svg"


def picture(text: str) -> str:
    """Return the HTML that shows the picture, with its address as README.md would write it."""
    if not path(text).exists():
        raise DiagramError(f"expected {path(text).relative_to(PROJECT)}. Received: no such file. Run 'make diagrams'")
    file = f"docs/images/{path(text).name}"
    return f'<a href="{file}"><img src="{file}" alt="Diagram, larger behind the link"></a>'


def main() -> None:
    """Draw the diagrams that lack a picture, and delete those of earlier texts."""
    texts = [text for page in PAGES for text in BLOCK.findall((PROJECT / page).read_text(encoding="utf-8"))]
    wanted = {path(text): text for text in texts}
    for old in set(IMAGES.glob("diagram-*.svg")) - wanted.keys():
        old.unlink()
    missing = {file: text for file, text in wanted.items() if not file.exists()}
    if missing:
        _draw(missing, _mermaid())


def _mermaid() -> str:
    """Return the script, from npm."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", "--silent", "--ignore-scripts", _PACKAGE]
        name = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.split()[-1]
        with tarfile.open(Path(folder, name)) as package:
            content = package.extractfile(_SCRIPT)
            script = content.read() if content else b""
    if (found := hashlib.sha256(script).hexdigest()) != _SHA256:
        raise DiagramError(f"expected {_SCRIPT} of {_PACKAGE} with sha256 {_SHA256}. Received: {found}")
    return script.decode()


def _draw(texts: dict[Path, str], script: str) -> None:
    from playwright.sync_api import sync_playwright

    from docs import chromium

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium.installed(), args=chromium.options())
        page = browser.new_page()
        page.add_script_tag(content=script)
        page.evaluate(f"mermaid.initialize({_OPTIONS})")
        for file, text in texts.items():
            svg = page.evaluate("async text => (await mermaid.render('diagram', text)).svg", text)
            # A picture has no page behind it to read well on, in the dark scheme either.
            file.write_text(svg.replace("<style>", "<style>#diagram{background:white;}", 1) + "\n", encoding="utf-8")
            print(file.relative_to(PROJECT), flush=True)
        browser.close()


if __name__ == "__main__":
    main()
