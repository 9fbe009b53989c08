"""Refusal of a state folder that an older version laid out."""

from pathlib import Path

from nightlite.errors import StackError

# What a deployment of one model alone had, before each model got a folder of its own.
_OLD = ("pipeline_root", "pushed")


def refuse_old_state(var_dir: Path) -> None:
    """Refuse a state folder of an older version. Nothing in it is touched.

    Raises:
      StackError: it has the folders that only an older version made.
    """
    if found := [name for name in _OLD if (var_dir / name).is_dir()]:
        raise StackError(
            f"expected state of this version in {var_dir}. Received: {' and '.join(found)}, which an older version "
            f"made. Nothing was changed. Move {var_dir} away, or set NIGHTLITE_VAR_DIR to another folder"
        )
