"""The hint at a name that was misspelt: it stands first in the message that refuses the name."""

from collections.abc import Collection, Iterable


def did_you_mean(unknown: Iterable[str], known: Collection[str], prefix: str = "") -> str:
    """Return a question such as "Did you mean epochs? ", or "" where no known name is close.

    Args:
      unknown: the names that were refused.
      known: the names that would have been taken.
      prefix: begins all of them, and is not compared.
    """
    import difflib  # every DAG parse imports this module

    endings = [name.removeprefix(prefix) for name in known]
    close = [
        prefix + match for name in unknown for match in difflib.get_close_matches(name.removeprefix(prefix), endings, 1)
    ]
    return f"Did you mean {', '.join(dict.fromkeys(close))}? " if close else ""
