"""The line of a model's own code that an error comes from."""

import traceback
from pathlib import Path


def line_of(error: BaseException, folder: Path) -> str:
    """Return the last line of `folder` that the error passed, such as `models/wine/on_device.py, line 7`, or "".

    Args:
      folder: that of the models, whose name the answer begins with.
    """
    if isinstance(error, SyntaxError) and error.filename:
        return _told(error.filename, error.lineno, "", folder)
    frames = [
        _told(one.filename, one.lineno, one.line or "", folder) for one in traceback.extract_tb(error.__traceback__)
    ]
    return next(filter(None, reversed(frames)), "")


def _told(file: str, number: int | None, code: str, folder: Path) -> str:
    if not Path(file).is_relative_to(folder):
        return ""
    place = f"{Path(folder.name, Path(file).relative_to(folder))}, line {number}"
    return f"{place}: {code}" if code else place
