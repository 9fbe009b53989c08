"""The reference pages that are generated from the code: each format and each command, described in full."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import BaseModel

from docs import commands, formats
from nightlite.deployment.command_line.known_options import known_commands
from nightlite.deployment.command_line.table import COMMANDS
from nightlite.ondevice.approval import Approval
from nightlite.ondevice.in_airflow.notice.message import Notice
from nightlite.ondevice.results.outcome import Outcome
from nightlite.runner import exit_codes

REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference"


class Part(BaseModel):
    """A part.

    Attributes:
      first, second: of a pair.
      when: it was,
        in UTC.
    """

    first: int
    second: dict[str, tuple[float | None, ...]]
    when: datetime | None = None


class Further(Part):
    """A part with one field more, which nobody described."""

    third: str


def test_a_field_has_a_row_with_its_type_and_description() -> None:
    assert formats.table(Part).splitlines()[2:] == [
        "| `first` | integer | of a pair. |",
        "| `second` | object of list of number or null | of a pair. |",
        "| `when` | time or null | it was, in UTC. |",
    ]


def test_a_field_without_a_description_is_refused_by_its_name() -> None:
    with pytest.raises(formats.UndescribedError, match="Received: none for third"):
        formats.table(Further)


def test_the_rows_are_the_fields_of_the_json() -> None:
    notice = Notice(event="pushed", pipeline="p", run_id="r", headline="h", run_url="u")
    approval = Approval(decision="approved", user="ann", at=datetime.now(UTC))
    for item in (notice, approval):
        rows = re.findall(r"^\| `(\w+)` \|", formats.table(type(item)), re.MULTILINE)
        assert rows == list(item.model_dump(mode="json"))


@pytest.mark.parametrize("name", formats.FORMATS)
def test_each_format_has_its_place_on_the_page(name: str) -> None:
    assert f'formats.tables("{name}")' in (REFERENCE / "formats.md").read_text(encoding="utf-8")


def test_every_outcome_and_every_exit_code_of_a_node_is_listed() -> None:
    listed = re.findall(r"^\| `(\w+)` \|", formats.outcomes(), re.MULTILINE)
    assert listed == [item.value for item in Outcome]
    codes = {value for name, value in vars(exit_codes).items() if name.startswith("EXIT_")}
    assert {exit_codes.EXIT_SIGNAL if isinstance(code, str) else code for code in exit_codes.MEANINGS} == codes


def test_every_command_has_a_section_with_every_option() -> None:
    text = commands.commands()
    headings = re.findall(r"^#{3,4} (.+)$", text, re.MULTILINE)
    assert headings and set(headings) == COMMANDS.keys() | known_commands().keys()
    for words, command in known_commands().items():
        section = re.split(r"^#", text.partition(f"# {words}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]
        assert [option.names for option in command.options if f"`{', '.join(option.names)}" not in section] == []
