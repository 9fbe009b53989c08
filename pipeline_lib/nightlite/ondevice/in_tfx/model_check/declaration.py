"""Check of a declaration by itself: texts, functions and run parameters."""

import re
from collections.abc import Iterable, Iterator

from pydantic import ValidationError

from nightlite.errors import ModelDeclarationError
from nightlite.ondevice.in_tfx.model_check.owed import blamed, function
from nightlite.ondevice.model import OnDeviceModel
from nightlite.ondevice.run_parameters import parameters, run_params

_NAME = re.compile(r"[A-Za-z]\w*", re.ASCII)
_TEXTS = ("title", "intended_use", "limits", "data_licence")


def check_texts(model: OnDeviceModel) -> str:
    """Refuse texts that are empty.

    Raises:
      ModelDeclarationError: the message names all of them.
    """
    texts = _texts(model)
    if missing := [name for name, text in texts.items() if not text.strip()]:
        raise ModelDeclarationError(
            f"{model.name}: expected a text in each field of MODEL. Received: none in {', '.join(missing)}; "
            f"write it in {_file(model)}"
        )
    return f"texts: {len(texts)} fields, none empty"


def check_features(model: OnDeviceModel) -> str:
    """Refuse inputs that no file could have: they are named as Keras and TFLite take it, float32, one example each.

    Raises:
      ModelDeclarationError: one has another name, type or batch.
    """
    for tensor in (*model.contract.inputs, model.output):
        if not _NAME.fullmatch(tensor.name) or tensor.dtype != "float32" or tensor.shape[:1] != (1,):
            raise ModelDeclarationError(
                f"{model.name}: expected tensors named by letters, 0-9 and _, of float32[1, …]. "
                f"Received: {tensor}; mend LITE_CONTRACT, and the column's name in the data"
            )
    return f"contract: {model.contract}"


def check_own_texts(model: OnDeviceModel, others: Iterable[OnDeviceModel]) -> str:
    """Refuse texts that are still those of the model that this one was copied from.

    Raises:
      ModelDeclarationError: the message names them.
    """
    for other in others:
        if copied := [name for name in _TEXTS if getattr(model, name) == getattr(other, name)]:
            raise ModelDeclarationError(
                f"{model.name}: expected texts of its own, because reports and releases show them. "
                f"Received: {other.name}'s {', '.join(copied)}; write them in {_file(model)}"
            )
    return f"texts: {', '.join(_TEXTS)} are no other model's"


def check_functions(model: OnDeviceModel) -> str:
    """Import each function that the declaration names, and compare its arguments.

    Raises:
      ModelDeclarationError: one cannot be imported, or takes other arguments.
    """
    arguments = {"preprocessing_fn": 1, "run_fn": 1, "lite_run_fn": 1, "ingest": 2}
    for field, count in arguments.items():
        function(getattr(model, field), field, count)
    return f"functions: {', '.join(arguments)} can be imported"


def check_parameters(model: OnDeviceModel) -> str:
    """Make the run parameters, and hold their defaults to their own bounds.

    Raises:
      ModelDeclarationError: they cannot be made, or a default is not allowed.
    """
    with blamed(f"training_parameters={model.training_parameters!r}", "a pydantic model of int, float, str or bool"):
        offered = parameters(model)
    try:
        run_params(model).model_validate({item.name: item.default for item in offered}, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        raise ModelDeclarationError(
            f"{model.name}: expected a default of run parameter {first['loc'][0]} within its own bounds. "
            f"Received: {first['input']} ({first['msg']}); mend {model.training_parameters}, or gate_bounds in "
            f"{_file(model)}"
        ) from None
    return f"run parameters: {len(offered)}, each default within its bounds"


def _texts(model: OnDeviceModel) -> dict[str, str]:
    return dict(_pairs(model))


def _pairs(model: OnDeviceModel) -> Iterator[tuple[str, str]]:
    yield from ((name, getattr(model, name)) for name in _TEXTS)
    yield from (("words.one", model.words.one), ("words.many", model.words.many))
    for feature in model.features:
        yield f"the description of {feature.tensor.name}", feature.meaning.description


def _file(model: OnDeviceModel) -> str:
    return f"models/{model.name}/on_device.py"
