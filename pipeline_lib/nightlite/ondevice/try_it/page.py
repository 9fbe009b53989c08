"""TryPage: one HTML file with the model, its golden examples and the runtime in it, and the policy that it needs."""

import base64
import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Template

from nightlite.ondevice.contract.app_contract import AppContract
from nightlite.ondevice.contract.golden import Golden
from nightlite.ondevice.report.page_templates import environment
from nightlite.ondevice.try_it.declared import Declared
from nightlite.ondevice.try_it.runtime import WebRuntime

_FOLDER = Path(__file__).parent
# Each uses what is before it.
_SCRIPTS = ("sha256.js", "model.js", "inputs.js", "page.js")


@dataclass(frozen=True)
class Subject:
    """The file to try.

    Attributes:
      name: for a reader, such as "release 7".
      declared: the model's declaration.
      contract: the file's inputs and output.
      content: of the file.
      sha256: that the content must have, which the page checks.
      golden: examples of this very file, if it has any.
      facts: further facts for a reader, each with its name.
    """

    name: str
    declared: Declared
    contract: AppContract
    content: bytes
    sha256: str
    golden: Golden | None = None
    facts: tuple[tuple[str, str], ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return what the page's script reads."""
        shown = {item.name: item.meaning for item in self.declared.contract.inputs}
        inputs = [
            item.model_copy(update={"meaning": item.meaning or shown.get(item.name)}) for item in self.contract.inputs
        ]
        show = self.declared.show
        picture = next((item.name for item in inputs if show and show.fits(item.shape[1:])), None)
        return {
            "inputs": [item.model_dump(mode="json") for item in inputs],
            "output": self.contract.output.name,
            "labels": self.contract.labels,
            "unit": self.contract.unit,
            "picture": {**show.model_dump(), "input": picture} if show and picture else None,
            "words": self.declared.words.model_dump(),
            "sha256": self.sha256,
            "golden": self.golden and self.golden.model_dump(mode="json"),
            "facts": self.facts,
            "model": base64.b64encode(self.content).decode(),
        }


@dataclass(frozen=True)
class TryPage:
    """The page, and the Content-Security-Policy that it has in itself: its own scripts run, and nothing is loaded."""

    html: str
    policy: str

    @property
    def etag(self) -> str:
        """Return the name of this content for a browser's cache."""
        return f'"{hashlib.sha256(self.html.encode()).hexdigest()[:32]}"'


def try_page(subject: Subject, runtime: WebRuntime) -> TryPage:
    """Return the page of a file."""
    script = _script(subject.declared.script)
    scripts = " ".join(f"'sha256-{_sum(text)}'" for text in (_inline(runtime.script), script))
    policy = (
        f"default-src 'none'; script-src {scripts} 'wasm-unsafe-eval'; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    html = _template().render(
        policy=policy,
        title=subject.declared.title,
        name=subject.name,
        style=(_FOLDER / "page.css").read_text(encoding="utf-8"),
        licence=runtime.licence,
        # In a script element, only < can end it.
        subject=json.dumps(subject.as_json()).replace("<", "\\u003c"),
        wasm=runtime.wasm,
        runtime=_inline(runtime.script),
        script=script,
    )
    return TryPage(html, policy)


def _script(prepare: str) -> str:
    """Return the page's script, with the model's own preparation of pictures, if it has one."""
    own = f"(() => {{\n{prepare}\nreturn prepare;\n}})()" if prepare else "null"
    parts = [f"const prepare = {own};", *((_FOLDER / name).read_text(encoding="utf-8") for name in _SCRIPTS)]
    # Its names are no globals: the runtime's script has names of its own.
    return _inline("'use strict';\n(() => {\n" + "\n".join(parts) + "\n})();\n")


def _inline(script: str) -> str:
    """Return a script that its element cannot end before its end. Such text stands in strings and comments only."""
    return script.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _sum(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


@cache
def _template() -> Template:
    return environment(_FOLDER).get_template("page.html.j2")
