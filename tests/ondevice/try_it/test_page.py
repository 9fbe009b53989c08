"""The page of a file: what it holds, what may run in it, and that no text of a model gets out of its place."""

import base64
import hashlib
import html
import json
import re
from pathlib import Path
from typing import Any

import pytest

from models.mnist.on_device import MODEL
from nightlite.errors import CompiledPipelineError, ModelDeclarationError, ReleaseError, WebRuntimeError
from nightlite.ondevice.contract.golden import Golden, GoldenExample
from nightlite.ondevice.model import Picture, Words
from nightlite.ondevice.releases.store import Releases
from nightlite.ondevice.results.quality import Quality
from nightlite.ondevice.settings import Settings
from nightlite.ondevice.try_it.declared import Declared, compiled_declaration, declared, drawing_script, for_pages
from nightlite.ondevice.try_it.page import Subject, TryPage, try_page
from nightlite.ondevice.try_it.runtime import WebRuntime, web_runtime
from nightlite.ondevice.try_it.subjects import of_candidate, of_release
from nightlite.runner.compiled_pipeline import CompiledPipeline
from tests.ondevice.releases.made_releases import CONTRACT, push

RUNTIME = WebRuntime(script="const LiteRt = '</script><!--';", wasm="AAAA", licence="Apache <License>")
HOSTILE = "</script><script>alert(1)</script><!-- ' \" & \u2028"
DECLARED = Declared(
    title=HOSTILE,
    words=Words(one=HOSTILE, many="many"),
    show=Picture(width=28, height=28, black=0, white=1),
    contract=CONTRACT,
    script="const prepare = () => '</script>';",
)
CONTENT = b"a file"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
GOLDEN = Golden(
    sha256=SHA256,
    tolerance=1e-5,
    examples=(GoldenExample(label="0", inputs={"image_floats": (None, 1.0)}, outputs={"probabilities": (1.0, 0.0)}),),
)


def subject(**changed: Any) -> Subject:
    given = {"name": HOSTILE, "declared": DECLARED, "contract": CONTRACT, "content": CONTENT, "sha256": SHA256}
    return Subject(**{**given, "golden": GOLDEN, "facts": ((HOSTILE, HOSTILE),), **changed})


def data(page: TryPage) -> dict[str, Any]:
    """Return what the page's script reads."""
    [found] = re.findall(r'<script type="application/json" id="subject">(.*?)</script>', page.html, re.S)
    return dict(json.loads(found))


def test_only_the_pages_own_scripts_run_and_nothing_is_loaded() -> None:
    page = try_page(subject(), RUNTIME)
    scripts = re.findall(r"<script>(.*?)</script>", page.html, re.S)
    sums = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    assert len(scripts) == 2 and scripts[0] == r"const LiteRt = '<\/script><\!--';"
    assert re.findall(r"'sha256-(.*?)'", page.policy) == sums
    rest = re.sub(r"'sha256-.*?' ?", "", page.policy)
    assert rest.startswith(
        "default-src 'none'; script-src 'wasm-unsafe-eval'; style-src 'unsafe-inline'; img-src data:;"
    )
    [inside] = re.findall(r'http-equiv="Content-Security-Policy" content="(.*?)"', page.html)
    assert html.unescape(inside) == page.policy
    assert not re.findall(r"(?:src|href|url\()[\"'=(]+(?!data:)[^\"']*//", page.html)


def test_a_hostile_text_stays_a_text() -> None:
    labels = (HOSTILE, "b")
    page = try_page(subject(contract=CONTRACT.model_copy(update={"labels": labels})), RUNTIME)
    assert "alert(1)" in page.html and "<script>alert(1)" not in page.html
    assert page.html.count("<!--") == 0 and page.html.count("</script>") == 4
    found = data(page)
    assert (found["labels"], found["words"]["one"], found["facts"]) == ([*labels], HOSTILE, [[HOSTILE, HOSTILE]])


def test_it_holds_the_file_its_sum_its_examples_and_the_runtimes_licence() -> None:
    page = try_page(subject(), RUNTIME)
    found = data(page)
    assert base64.b64decode(found["model"]) == CONTENT and found["sha256"] == SHA256
    assert found["golden"]["examples"][0]["inputs"] == {"image_floats": [None, 1.0]}
    assert found["picture"] == {
        "input": "image_floats",
        "width": 28,
        "height": 28,
        "channels": 1,
        "black": 0,
        "white": 1,
    }
    assert "Apache &lt;License&gt;" in page.html and ">AAAA</script>" in page.html
    assert try_page(subject(), RUNTIME).etag == page.etag != try_page(subject(content=b"x"), RUNTIME).etag


def test_an_input_of_another_size_is_no_picture_and_an_old_manifests_has_the_declared_meaning() -> None:
    [taken] = CONTRACT.inputs
    other = CONTRACT.model_copy(update={"inputs": (taken.model_copy(update={"shape": (1, 9), "meaning": None}),)})
    found = data(try_page(subject(contract=other), RUNTIME))
    assert found["picture"] is None
    assert found["inputs"][0]["meaning"]["unit"] == "grey level"


def test_a_release_is_checked_before_it_is_shown(tmp_path: Path) -> None:
    release = push(Releases(tmp_path / "m" / "releases"), "content", "run-1").release
    found = of_release(release, DECLARED)
    assert (found.name, found.content, found.golden) == ("release 1", b"content", None)
    assert dict(found.facts)["accuracy"] == "99.00 % on the eval split"
    (release.folder / "model.tflite").chmod(0o644)
    (release.folder / "model.tflite").write_text("changed")
    with pytest.raises(ReleaseError, match="Do not use this release"):
        of_release(release, DECLARED)


def test_a_withdrawn_release_says_so_and_why(tmp_path: Path) -> None:
    releases = Releases(tmp_path / "m" / "releases")
    push(releases, "one", "run-1")
    second = push(releases, "two", "run-2").release
    releases.rollback(1, who="a test", why="slow <phones>")
    assert of_release(second, DECLARED, releases.history()).name == "release 2, withdrawn: slow <phones>"
    assert of_release(releases.release(1), DECLARED, releases.history()).name == "release 1"
    page = try_page(of_release(second, DECLARED, releases.history()), RUNTIME)
    assert "· release 2, withdrawn: slow &lt;phones&gt;</span></h1>" in page.html


def test_a_candidate_has_its_own_examples_or_is_refused(tmp_path: Path) -> None:
    model = tmp_path / "tflite"
    model.write_bytes(CONTENT)
    GOLDEN.write(tmp_path)
    found = of_candidate("r", model, tmp_path / "golden.json", Quality(mean_error=2, unit="cm"), DECLARED)
    assert (found.name, found.sha256, found.golden) == ("candidate", SHA256, GOLDEN)
    assert dict(found.facts) == {
        "mean error": "2 cm on the eval split",
        "made": "by run r",
    }
    model.write_bytes(b"another")
    with pytest.raises(ReleaseError, match="expected the examples of .*Received: those of"):
        of_candidate("r", model, tmp_path / "golden.json", Quality(), DECLARED)
    assert of_candidate("r", model, None, Quality(), DECLARED).golden is None
    with pytest.raises(ReleaseError, match="candidate of run r cannot be read"):
        of_candidate("r", tmp_path / "gone", None, Quality(), DECLARED)


def test_a_runtime_that_was_not_built_is_a_sentence_on_how(tmp_path: Path) -> None:
    with pytest.raises(WebRuntimeError, match="expected the browsers' runtime. .*run 'make web'"):
        web_runtime(tmp_path / "dist")


def test_a_model_names_its_script_and_the_compiled_pipeline_holds_it(tmp_path: Path) -> None:
    assert "function prepare(" in declared(MODEL).script
    assert drawing_script("") == ""
    for wrong in ("models.mnist:nope.js", "nope.at.all:a.js"):
        with pytest.raises(ModelDeclarationError, match="drawing: expected package:file.js, .* Received: "):
            drawing_script(wrong)
    settings = Settings(var_dir=tmp_path)
    compiled = CompiledPipeline(tfx_version="1", name=MODEL.pipeline_name, nodes=(), ir={})
    compiled.write(settings.compiled_file(MODEL))
    with pytest.raises(CompiledPipelineError, match="Received: none; run 'make compile'"):
        compiled_declaration("mnist", settings)
    compiled.model_copy(update={"pages": for_pages(MODEL)}).write(settings.compiled_file(MODEL))
    assert compiled_declaration("mnist", settings) == declared(MODEL)
