"""Sources of the models' data: in the help of `ingest` and `demo`, and as an option's value."""

from pathlib import Path
from typing import Any

from typer.core import TyperCommand

from nightlite.deployment.models import models
from nightlite.did_you_mean import did_you_mean
from nightlite.errors import NoSourceError
from nightlite.ondevice.model import OnDeviceModel


class ListsSources(TyperCommand):
    """Command whose help lists the models' sources before its examples."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        found = models()
        lines = []
        for name, model in found.items():
            lines += [f"Sources of {name}:" if len(found) > 1 else "Sources:"]
            lines += [f"{source}: {about}." for source, about in model.sources.items()]
        first = next(iter(found.values()))
        which = f"--model {first.name} " if len(found) > 1 else ""
        examples = f"Examples: nightlite {self.name} {which}{self.epilog}".format(source=first.usual_source)
        self.epilog = "\n\n".join([*lines, "A folder or a file: it is the data.", examples])
        super().format_help(ctx, formatter)


def checked_source(model: OnDeviceModel, source: str) -> str:
    """Return the source if the model names it, else the absolute path of a folder or file.

    Raises:
      NoSourceError: it is none of them.
    """
    if source in model.sources:
        return source
    path = Path(source).expanduser().absolute()
    if path.exists():
        return str(path)
    raise NoSourceError(
        f"{did_you_mean([source], model.sources)}Expected a source of {model.name} "
        f"({', '.join(model.sources) or 'it names none'}), a folder or a file. Received: {source!r}"
    )
