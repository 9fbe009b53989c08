"""Hint at a misspelt name, at the start of the message that refuses it."""

from collections.abc import Collection, Iterable


def did_you_mean(unknown: Iterable[str], known: Collection[str], prefix: str = "") -> str:
    """Return a question such as "Did you mean epochs? ", or "" if no known name is close.

    Args:
      unknown: the names that were refused.
      known: the allowed names.
      prefix: begins all of them, and is not compared.
    """
    import difflib  # every DAG parse imports this module

    endings = [name.removeprefix(prefix) for name in known]
    close = [
        prefix + match for name in unknown for match in difflib.get_close_matches(name.removeprefix(prefix), endings, 1)
    ]
    return f"Did you mean {', '.join(dict.fromkeys(close))}? " if close else ""
