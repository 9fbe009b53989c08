"""Command `nightlite try`: a page on which a person tries a release in a browser."""

import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Annotated, Any

import typer

from nightlite.deployment.cli import run_commands
from nightlite.deployment.command_app import ModelName, command_app
from nightlite.deployment.in_tfx.found_releases import find
from nightlite.deployment.in_tfx.releases_commands import Version
from nightlite.deployment.models import model_named
from nightlite.errors import UsageError
from nightlite.ondevice.releases.checked import checked
from nightlite.ondevice.releases.store import Releases
from nightlite.ondevice.settings import settings
from nightlite.ondevice.try_it.declared import declared
from nightlite.ondevice.try_it.page import TryPage, try_page
from nightlite.ondevice.try_it.runtime import web_runtime
from nightlite.ondevice.try_it.subjects import of_release

app = command_app()


@app.callback()
def _as_a_group() -> None:
    """Do nothing. A typer app with a single command would drop its name."""


@app.command("try", epilog="Examples: nightlite try --model NAME; nightlite try --model NAME 7 -o try.html")
def try_release(
    version: Version = None,
    model_name: ModelName = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="write the page to this file instead", show_default=False)
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="of 127.0.0.1; 0: any free one")] = 0,
) -> None:
    """Serve a page that runs a release in a browser, on 127.0.0.1 until Ctrl-C.

    It is one file with the release and the runtime in it, 4 MB, and loads nothing: as a file it opens from a disk,
    offline.

    Exit code: 0 done; 1 the release is damaged, or the browsers' runtime was not built; 2 usage.
    """
    model, here, runtime = model_named(model_name), settings(), web_runtime()
    releases = Releases(here.folders(model.name).releases)
    release = find(releases, version)
    with checked(release, here) as (copy, _):
        page = try_page(of_release(copy, declared(model), releases.history()), runtime)
    if output is None:
        _serve(page, port, f"{model.name}, release {release.version}")
        return
    try:
        output.write_text(page.html, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"-o: expected a file that can be written. Received: {output}: {error.strerror}") from None
    print(f"{output}: release {release.version}, {output.stat().st_size / 1e6:.1f} MB; open it in a browser")


def _serve(page: TryPage, port: int, what: str) -> None:
    try:
        server = serve(page, port)
    except OSError as error:
        raise UsageError(f"--port: expected a free port. Received: {port}: {error.strerror}") from None
    print(f"{what}: http://127.0.0.1:{server.server_port}/ (Ctrl-C ends it)", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        print()
    finally:
        server.server_close()


def serve(page: TryPage, port: int = 0) -> ThreadingHTTPServer:
    """Return a server of the page on 127.0.0.1, which does not run yet.

    Raises:
      OSError: the port is taken.
    """
    content = page.html.encode()

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            found = self.path.partition("?")[0] == "/"
            self.send_response(HTTPStatus.OK if found else HTTPStatus.NOT_FOUND)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(content) if found else 0))
            self.send_header("Content-Security-Policy", page.policy)
            self.send_header("Cache-Control", "no-store")
            self.end_headers()

        def do_GET(self) -> None:
            self.do_HEAD()
            if self.path.partition("?")[0] == "/":
                self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    return ThreadingHTTPServer(("127.0.0.1", port), Handler)


if __name__ == "__main__":
    sys.exit(run_commands(app))
