"""`nightlite try`: the page in a file or on 127.0.0.1, and the sentence where there is none."""

import http.client
import threading
from pathlib import Path

import pytest
import typer.testing

from nightlite.deployment.in_tfx import try_command
from nightlite.errors import NightliteError, ReleaseError, UsageError, WebRuntimeError
from nightlite.ondevice.releases.store import Releases
from nightlite.ondevice.try_it.page import TryPage
from nightlite.ondevice.try_it.runtime import WebRuntime
from nightlite.settings import forget_settings
from tests.ondevice.releases.made_releases import push


@pytest.fixture
def releases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Releases:
    monkeypatch.setenv("NIGHTLITE_VAR_DIR", str(tmp_path / "var"))
    monkeypatch.setattr(try_command, "web_runtime", lambda: WebRuntime("const LiteRt = 1;", "AAAA", "a licence"))
    forget_settings()
    found = Releases(tmp_path / "var" / "mnist" / "releases")
    for number in (1, 2):
        push(found, f"file {number}", f"run-{number}")
    return found


def run(*arguments: str) -> str:
    """Return what the command prints, or raise its error."""
    done = typer.testing.CliRunner().invoke(try_command.app, ["try", "--model=mnist", *arguments])
    if isinstance(done.exception, NightliteError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


def test_the_latest_or_a_named_release_is_written_to_a_file(releases: Releases, tmp_path: Path) -> None:
    page = tmp_path / "try.html"
    assert run("-o", str(page)).startswith(f"{page}: release 2, 0.")
    assert "<title>Try release 2 · " in page.read_text() and "function prepare(" in page.read_text()
    run("1", "-o", str(page))
    assert "<title>Try release 1 · " in page.read_text()


def test_what_cannot_be_shown_is_a_sentence(
    releases: Releases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = str(tmp_path / "try.html")
    with pytest.raises(ReleaseError, match=r"expected one of the versions there are \(1, 2\). Received: 7"):
        run("7", "-o", page)
    with pytest.raises(UsageError, match="-o: expected a file that can be written. Received: .*: Is a directory"):
        run("-o", str(tmp_path))
    file = releases.folder / "2" / "model.tflite"
    file.chmod(0o644)
    file.write_text("file 3")
    with pytest.raises(ReleaseError, match="Do not use this release"):
        run("-o", page)

    def missing() -> WebRuntime:
        raise WebRuntimeError("run 'make web'")

    monkeypatch.setattr(try_command, "web_runtime", missing)
    with pytest.raises(WebRuntimeError, match="run 'make web'"):
        run("-o", page)
    assert not Path(page).exists()


def test_the_page_alone_is_served_on_this_machine(releases: Releases) -> None:
    server = try_command.serve(TryPage("<p>é", "default-src 'none'"))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        assert server.server_address[0] == "127.0.0.1"
        for method, path, expected in (
            ("GET", "/", (200, "<p>é".encode())),
            ("GET", "/?a", (200, "<p>é".encode())),
            ("HEAD", "/", (200, b"")),
            ("GET", "/manifest.json", (404, b"")),
        ):
            connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
            connection.request(method, path)
            answer = connection.getresponse()
            assert (answer.status, answer.read()) == expected
            assert answer.headers["Content-Security-Policy"] == "default-src 'none'"
            connection.close()
        with pytest.raises(OSError):
            try_command.serve(TryPage("", ""), server.server_port)
    finally:
        server.shutdown()
        server.server_close()
