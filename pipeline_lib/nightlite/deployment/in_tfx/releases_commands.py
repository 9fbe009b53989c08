"""Command `nightlite models`: list, check and change the releases."""

import getpass
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from nightlite.deployment import releases_tables
from nightlite.deployment.cli import run_commands
from nightlite.deployment.command_app import ModelName, command_app
from nightlite.deployment.models import model_named
from nightlite.errors import ReleaseError
from nightlite.ondevice.releases.checked import checked
from nightlite.ondevice.releases.checked import export as export_checked
from nightlite.ondevice.releases.release import Release
from nightlite.ondevice.releases.store import Releases
from nightlite.ondevice.settings import settings
from nightlite.table_console import table_console

app = command_app()
models = command_app("The releases: what phones get.")
app.add_typer(models, name="models")

Version = Annotated[int | None, typer.Argument(help="default: the latest", show_default=False)]


@app.callback()
def _as_a_group() -> None:
    """Do nothing. A typer app with a single command would drop its name."""


@models.command("list", epilog="Example: nightlite models list --model NAME")
def list_releases(
    model_name: ModelName = None,
    history: Annotated[bool, typer.Option("--history", help="every push, rollback and prune instead")] = False,
) -> None:
    """List the releases, newest first. The arrow marks `latest`."""
    releases = _releases(model_name)
    if history:
        table_console().print(releases_tables.history(releases.history()))
    elif releases.versions():
        table_console().print(releases_tables.releases(releases))
    else:
        print(_no_release(releases))


@models.command(epilog="Examples: nightlite models show --model NAME; nightlite models show --model NAME 3 --json")
def show(
    version: Version = None,
    model_name: ModelName = None,
    json: Annotated[bool, typer.Option("--json", help="the manifest itself")] = False,
) -> None:
    """Show a release's manifest."""
    release = find(_releases(model_name), version)
    if json:
        print(release.manifest.model_dump_json(indent=1))
        return
    for table in releases_tables.manifest(release):
        table_console().print(table)


@models.command(epilog="Examples: nightlite models verify --model NAME; nightlite models verify --model NAME 3")
def verify(
    version: Version = None,
    model_name: ModelName = None,
    all_: Annotated[bool, typer.Option("--all", help="every release there is")] = False,
) -> None:
    """Check a release's files against its manifest, its signature, and its golden examples in LiteRT.

    Exit code 1: do not use it.
    """
    releases, bad = _releases(model_name), 0
    latest = releases.latest_version()
    for number in releases.versions() if all_ else [find(releases, version).version]:
        try:
            print(f"release {number}: {_verified(find(releases, number))}")
        except ReleaseError as error:
            bad += 1
            others = number == latest and len(releases.versions()) > 1
            hint = "; `latest` points to it: roll back to another release" if others else ""
            print(f"release {number}: BAD: {error}{hint}", file=sys.stderr)
    raise typer.Exit(1 if bad else 0)


@models.command(epilog='Example: nightlite models rollback --model NAME 3 --reason "4 is slow on old phones"')
def rollback(
    version: Annotated[int, typer.Argument(help="the new target of `latest`")],
    reason: Annotated[str, typer.Option(help="goes to the history")],
    model_name: ModelName = None,
    who: Annotated[str, typer.Option(help="goes to the history; default: you")] = "",
) -> None:
    """Point `latest` to another release. The next run compares its model with that one."""
    releases = _releases(model_name)
    _verified(find(releases, version))
    before = _latest_if_readable(releases)
    release = releases.rollback(version, who=who or _user(), why=reason)
    print(f"latest is release {release.version} now (sha256 {release.manifest.sha256})")
    changes = release.manifest.app_contract.changes(before.manifest.app_contract) if before else ()
    if before and changes:
        print(
            f"Its contract is another than release {before.version}'s ({'; '.join(changes)}): an app made for that one "
            "must not use it, and the next run of that contract is refused unless it says least_app_version"
        )


@models.command(epilog="Example: nightlite models prune --model NAME --keep 5")
def prune(
    keep: Annotated[int, typer.Option(min=1, help="how many of the newest to keep")],
    model_name: ModelName = None,
    who: Annotated[str, typer.Option(help="goes to the history; default: you")] = "",
) -> None:
    """Remove old releases. The one that `latest` points to, and anchors, always stay."""
    releases = _releases(model_name)
    pruned = releases.prune(keep, who=who or _user(), why=f"keep {keep}")
    print(f"pruned: {', '.join(map(str, pruned)) or 'none'}; left: {', '.join(map(str, releases.versions()))}")


@models.command(epilog="Example: nightlite models export --model NAME ~/app/src/main/assets/model")
def export(
    destination: Annotated[Path, typer.Argument(help="a folder that does not exist yet")],
    version: Annotated[int | None, typer.Option(help="default: the latest")] = None,
    model_name: ModelName = None,
) -> None:
    """Copy a checked release into a new folder, for an app's build."""
    from nightlite.ondevice.in_tfx.golden_check import require_golden

    release = find(_releases(model_name), version)
    export_checked(release, destination.expanduser().absolute(), settings(), require_golden)
    print(f"release {release.version} is in {destination}")


def _verified(release: Release) -> str:
    """Return the results of every check of a release, in words.

    Raises:
      ReleaseError: one failed.
    """
    from nightlite.ondevice.in_tfx.golden_check import require_golden

    with checked(release, settings()) as (copy, signature):
        said = copy.manifest
        return f"{said.size_bytes:,} bytes, sha256 {said.sha256}; {signature}; {require_golden(copy)}"


def find(releases: Releases, version: int | None) -> Release:
    """Return that release, or the latest.

    Raises:
      ReleaseError: there is none.
    """
    release = releases.latest() if version is None else releases.release(version)
    if release is None:
        raise ReleaseError(_no_release(releases))
    return release


def _latest_if_readable(releases: Releases) -> Release | None:
    try:
        return releases.latest()
    except ReleaseError:
        return None  # damaged, which may be why someone rolls back


def _releases(model_name: str | None) -> Releases:
    return Releases(settings().folders(model_named(model_name).name).releases)


def _no_release(releases: Releases) -> str:
    demo = f"'make demo MODEL={releases.model}'"
    return f"no release yet in {releases.folder}: a blessed model's Pusher makes the first ({demo})"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"  # a container's user may have no name


if __name__ == "__main__":
    sys.exit(run_commands(app))
