"""Declared: what the page needs of a model's declaration. Airflow's side reads it from the compiled pipeline."""

from importlib import resources
from typing import Any

from pydantic import BaseModel, ConfigDict

from nightlite.errors import CompiledPipelineError, ModelDeclarationError
from nightlite.ondevice.contract.app_contract import AppContract
from nightlite.ondevice.model import OnDeviceModel, Picture, Words
from nightlite.ondevice.settings import Settings
from nightlite.runner.compiled_pipeline import CompiledPipeline

_KEY = "try"


class Declared(BaseModel):
    """Part of a declaration.

    Attributes:
      title, words, show: as in the declaration.
      contract: of the file that the code makes now. A release has its own.
      script: JavaScript with a function `prepare`, of `OnDeviceModel.drawing`; "": none.
    """

    model_config = ConfigDict(frozen=True)

    title: str
    words: Words
    show: Picture | None
    contract: AppContract
    script: str = ""


def declared(model: OnDeviceModel) -> Declared:
    """Return the part of a declaration.

    Raises:
      ModelDeclarationError: its script cannot be read.
    """
    return Declared(
        title=model.title,
        words=model.words,
        show=model.show,
        contract=model.app_contract,
        script=drawing_script(model.drawing),
    )


def drawing_script(drawing: str) -> str:
    """Return the text of `package:file.js`, "" of "".

    Raises:
      ModelDeclarationError: there is no such file.
    """
    package, _, file = drawing.partition(":")
    if not package:
        return ""
    try:
        return resources.files(package).joinpath(file).read_text(encoding="utf-8")
    except (OSError, ImportError, UnicodeDecodeError) as error:
        raise ModelDeclarationError(
            f"drawing: expected package:file.js, a JavaScript file of a package. Received: {drawing!r} ({error})"
        ) from None


def for_pages(model: OnDeviceModel) -> dict[str, Any]:
    """Return the content of a compiled pipeline's `pages`.

    Raises:
      ModelDeclarationError: the model's script cannot be read.
    """
    return {_KEY: declared(model).model_dump(mode="json")}


def compiled_declaration(name: str, settings: Settings) -> Declared:
    """Return the declaration of the model of that name as it was compiled.

    Raises:
      CompiledPipelineError: there is no usable compiled pipeline.
    """
    file = settings.compiled_file_of(name)
    pages = CompiledPipeline.read(file).pages
    if _KEY not in pages:
        raise CompiledPipelineError(f"{file}: expected what the page shows. Received: none; run 'make compile'")
    return Declared.model_validate(pages[_KEY])
