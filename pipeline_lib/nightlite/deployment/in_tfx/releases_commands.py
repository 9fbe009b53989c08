"""Command `nightlite models`: list, check and change the releases."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from nightlite.deployment import releases_tables
from nightlite.deployment.cli import run_commands
from nightlite.deployment.command_app import ModelName, command_app
from nightlite.deployment.in_tfx.found_releases import find, no_release, releases_of, user, verified
from nightlite.deployment.in_tfx.rollout_commands import halt, rollback, rollout
from nightlite.errors import ReleaseError
from nightlite.ondevice.releases.checked import export as export_checked
from nightlite.ondevice.releases.offers import offered_versions
from nightlite.ondevice.releases.store import Releases
from nightlite.ondevice.rollout.words import next_step, phones
from nightlite.ondevice.settings import rollout_plan, settings
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
    history: Annotated[bool, typer.Option("--history", help="every change instead")] = False,
) -> None:
    """List the releases, newest first. The arrow marks `latest`."""
    releases = releases_of(model_name)
    if history:
        table_console().print(releases_tables.history(releases.history()))
    elif releases.versions():
        table_console().print(releases_tables.releases(releases))
        if said := next_step(releases.state(), rollout_plan(releases.model)):
            print(said)
    else:
        print(no_release(releases))


@models.command(epilog="Examples: nightlite models show --model NAME; nightlite models show --model NAME 3 --json")
def show(
    version: Version = None,
    model_name: ModelName = None,
    json: Annotated[bool, typer.Option("--json", help="the manifest itself")] = False,
) -> None:
    """Show a release's manifest."""
    releases = releases_of(model_name)
    release = find(releases, version)
    if json:
        print(release.manifest.model_dump_json(indent=1))
        return
    for table in releases_tables.manifest(release, _phones(releases, release.version)):
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
    releases, bad = releases_of(model_name), 0
    latest = releases.latest_version()
    for number in releases.versions() if all_ else [find(releases, version).version]:
        try:
            print(f"release {number}: {verified(find(releases, number))}")
        except ReleaseError as error:
            bad += 1
            others = number == latest and len(releases.versions()) > 1
            hint = "; `latest` points to it: roll back to another release" if others else ""
            print(f"release {number}: BAD: {error}{hint}", file=sys.stderr)
    raise typer.Exit(1 if bad else 0)


models.command(epilog='Example: nightlite models rollback --model NAME 3 --reason "4 is slow on old phones"')(rollback)
models.command(epilog="Example: nightlite models rollout --model NAME 8 --percent 10")(rollout)
models.command(epilog='Example: nightlite models halt --model NAME 8 --reason "crashes on old phones"')(halt)


@models.command(epilog="Example: nightlite models prune --model NAME --keep 5")
def prune(
    keep: Annotated[int, typer.Option(min=1, help="how many of the newest to keep")],
    model_name: ModelName = None,
    who: Annotated[str, typer.Option(help="goes to the history; default: you")] = "",
) -> None:
    """Remove old releases. The one that `latest` points to, those that phones get, and anchors always stay."""
    releases = releases_of(model_name)
    pruned = releases.prune(keep, who=who or user(), why=f"keep {keep}")
    print(f"pruned: {', '.join(map(str, pruned)) or 'none'}; left: {', '.join(map(str, releases.versions()))}")


@models.command(epilog="Example: nightlite models export --model NAME ~/app/src/main/assets/model")
def export(
    destination: Annotated[Path, typer.Argument(help="a folder that does not exist yet")],
    version: Annotated[int | None, typer.Option(help="default: the latest")] = None,
    model_name: ModelName = None,
) -> None:
    """Copy a checked release into a new folder, for an app's build."""
    from nightlite.ondevice.in_tfx.golden_check import require_golden

    release = find(releases_of(model_name), version)
    export_checked(release, destination.expanduser().absolute(), settings(), require_golden)
    print(f"release {release.version} is in {destination}")


def _phones(releases: Releases, version: int) -> str:
    state = releases.state()
    return phones(state, version, offered=version in offered_versions(releases, state))


if __name__ == "__main__":
    sys.exit(run_commands(app))
