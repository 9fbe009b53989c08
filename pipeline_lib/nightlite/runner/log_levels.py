"""Levels of a node's log lines, passed from the node's process to its task by sd-daemon's prefixes."""

import logging
import re

_PREFIXES = {"<3>": logging.ERROR, "<4>": logging.WARNING}
# absl's: "E1123 20:28:08.809919 4711 launcher.py:576] …"; from C++ "W0000 00:00:1795834607.272323   11711 a.cc:31] …"
_ABSL = re.compile(r"([IWEF])\d{4} \d\d:\d\d:\d+\.\d+ +\d+ ")
_ABSL_LEVELS = {"I": logging.INFO, "W": logging.WARNING, "E": logging.ERROR, "F": logging.ERROR}


def prefixed(text: str, level: int) -> str:
    """Return the text with the level before each line; info has no prefix."""
    prefix = next((prefix for prefix, least in _PREFIXES.items() if level >= least), "")
    return "\n".join(prefix + line for line in text.rstrip("\n").split("\n"))


def level_of(line: str) -> tuple[int, str]:
    """Return the level of a line, and the line without its prefix."""
    if level := _PREFIXES.get(line[:3]):
        return level, line[3:]
    found = _ABSL.match(line)
    return (_ABSL_LEVELS[found[1]] if found else logging.INFO), line
