"""A node's log, with its levels and without."""

import subprocess
import sys

import pytest

from nightlite.paths import PROJECT
from nightlite.runner.log_levels import level_of

# Every way to the log: a print, a gate, a traceback, Python's warnings, absl's and TensorFlow's loggers.
_WRITES = """
import logging, sys, warnings
from nightlite.runner.in_tfx import node_log
tensorflow = logging.getLogger("tensorflow")
tensorflow.addHandler(logging.StreamHandler())  # as TensorFlow does where no one has set up logging
node_log.quiet(levels=sys.argv[1] == "levels")
print("epoch 1")
node_log.say("FAIL  min_accuracy", logging.ERROR)
node_log.say("Traceback:\\n  File\\nValueError: bad\\n", logging.ERROR)
logging.getLogger("absl").warning("two\\nlines")
logging.getLogger("absl").warning("Fallback to non-ZetaSQL")
tensorflow.warning("Instructions for updating")
warnings.warn("old")
"""


def written(levels: str) -> list[tuple[int, str]]:
    command = [sys.executable, "-c", _WRITES, levels]
    done = subprocess.run(command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True)
    return [level_of(line) for line in done.stdout.splitlines()]


def test_every_line_of_a_warning_or_an_error_says_so() -> None:
    found = {text: level // 10 for level, text in written("levels")}
    assert {text: found[text] for text in ("epoch 1", "FAIL  min_accuracy", "Traceback:", "  File", "lines")} == {
        "epoch 1": 2, "FAIL  min_accuracy": 4, "Traceback:": 4, "  File": 4, "lines": 3,
    }  # fmt: skip
    assert found["absl: two"] == 3
    assert [level for text, level in found.items() if "UserWarning: old" in text] == [3]
    assert not [text for text in found if "Instructions" in text or "ZetaSQL" in text]


def test_a_terminal_gets_them_without_prefixes() -> None:
    assert {"FAIL  min_accuracy", "ValueError: bad", "epoch 1"} <= {
        text for level, text in written("plain") if level == 20
    }


@pytest.mark.parametrize(
    ("line", "level"),
    [("<3>bad", 40), ("E1123 20:28:08.809919 4711 launcher.py:576] bad", 40), ("ERROR: mine", 20), ("I think so", 20)],
)
def test_the_level_of_a_line(line: str, level: int) -> None:
    assert level_of(line)[0] == level
