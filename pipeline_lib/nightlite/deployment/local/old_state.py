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
            f"expected the state of this version in {var_dir}. Received: an older version's, with "
            f"{' and '.join(found)}, which this one does not read; nothing was touched. Move {var_dir} away, or name "
            "another folder in NIGHTLITE_VAR_DIR"
        )
