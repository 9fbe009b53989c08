"""README.md is short, and a test runs each of its commands: here or in tests/end_to_end/test_readme.py."""

import pytest

from nightlite import VERSION
from nightlite.paths import PROJECT
from tests.readme import README, RUN_ELSEWHERE, Command, Proof, blocks, commands

TEXT = README.read_text(encoding="utf-8")


def test_it_stays_short() -> None:
    assert len(README.read_bytes()) <= 8 * 1024


def test_no_command_hides_from_the_tests() -> None:
    languages = [language for language, _ in blocks(TEXT)]
    assert set(languages) == {"sh", "mermaid", ""}
    assert languages.count("") == 1, "a block without a language is output, and make demo's is the only one"


@pytest.mark.parametrize(("line", "proof"), RUN_ELSEWHERE.items())
def test_another_test_runs_what_is_not_run_from_here(line: str, proof: Proof) -> None:
    assert Command(line) in commands(TEXT), f"README.md no longer has it: expected one of {commands(TEXT)}"
    assert proof.part in (PROJECT / proof.file).read_text(encoding="utf-8")


def test_the_wheel_has_this_version() -> None:
    assert f"dist/nightlite-{VERSION}-py3-none-any.whl" in TEXT


def test_a_comment_is_no_part_of_a_command_and_may_name_its_exit_code() -> None:
    text = "```sh\nmake demo\nnightlite runs --all   # kept back: exit code 3\n```\n\n```\noutput\n```\n"
    assert commands(text) == [Command("make demo"), Command("nightlite runs --all", 3)]
