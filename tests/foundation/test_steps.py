"""Steps of a long command: redrawn on a terminal, plain lines elsewhere."""

import io
import os
import pty
import threading
from pathlib import Path

import pytest

from nightlite.steps import Steps, tail


class Terminal:
    """A pseudo-terminal: what is written to `stream` is read from its other end."""

    def __init__(self) -> None:
        self._reader, writer = pty.openpty()
        self.stream = os.fdopen(writer, "w", encoding="utf-8")

    def read_until(self, text: str) -> str:
        found = ""
        while text not in found:
            found += os.read(self._reader, 4096).decode()
        return found


def test_a_terminal_redraws_the_running_steps_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    with Steps(terminal.stream) as steps, steps.step("first"), steps.step("second"):
        shown = terminal.read_until("; second, ")
    assert "\r\x1b[K" in shown and "\n" not in shown
    assert "first  " in terminal.read_until("first  ")


@pytest.mark.parametrize("term", ["dumb", ""])
def test_a_dumb_terminal_gets_plain_lines(monkeypatch: pytest.MonkeyPatch, term: str) -> None:
    monkeypatch.setenv("TERM", term)
    terminal = Terminal()
    with Steps(terminal.stream, still_seconds=0.01) as steps, steps.step("first"):
        assert "\x1b" not in terminal.read_until("… first, ")


def test_elsewhere_a_long_step_is_named_again_and_ends_in_a_line_with_its_seconds() -> None:
    stream, seen = io.StringIO(), threading.Event()
    with Steps(stream, "setup: ", still_seconds=0.01) as steps, steps.step("tools"):
        while "setup: … tools, " not in stream.getvalue():
            seen.wait(0.01)
    last = stream.getvalue().splitlines()[-1]
    assert last.startswith("setup: tools  ") and last.endswith(" s")
    assert "\r" not in stream.getvalue() and "\x1b" not in stream.getvalue()


def test_a_failed_step_says_that_it_is_not_finished() -> None:
    stream = io.StringIO()
    with pytest.raises(ValueError, match="no"), Steps(stream) as steps, steps.step("tools"):
        raise ValueError("no")
    assert stream.getvalue().startswith("tools: not finished, ")


def test_the_tail_of_a_log_is_its_last_lines_and_its_path(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("".join(f"line {number}\n" for number in range(40)))
    first, *lines = tail(log).splitlines()
    assert first == f"The end of {log}:"
    assert lines == [f"  line {number}" for number in range(25, 40)]
    assert tail(tmp_path / "none") == f"The end of {tmp_path / 'none'}:"
