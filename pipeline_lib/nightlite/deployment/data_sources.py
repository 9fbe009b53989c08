"""Sources of the model's data: in the help of `ingest` and `demo`, and as an option's value."""

from pathlib import Path
from typing import Any

from typer.core import TyperCommand

from nightlite.deployment.models import the_model
from nightlite.did_you_mean import did_you_mean
from nightlite.errors import NoSourceError
from nightlite.ondevice.model import OnDeviceModel


class ListsSources(TyperCommand):
    """Command whose help lists the model's sources before its examples."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        model = the_model()
        lines = [f"{name}: {about}." for name, about in model.sources.items()]
        examples = f"Examples: nightlite {self.name} {self.epilog}".format(source=model.usual_source)
        self.epilog = "\n\n".join(["Sources:", *lines, "A folder: its files are the data.", examples])
        super().format_help(ctx, formatter)


def checked_source(model: OnDeviceModel, source: str) -> str:
    """Return the source if the model names it, else the absolute path of a folder.

    Raises:
      NoSourceError: it is neither.
    """
    if source in model.sources:
        return source
    folder = Path(source).expanduser().absolute()
    if folder.is_dir():
        return str(folder)
    raise NoSourceError(
        f"{did_you_mean([source], model.sources)}Expected a source of {model.name} "
        f"({', '.join(model.sources) or 'it names none'}) or a folder. Received: {source!r}"
    )
