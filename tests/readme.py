"""Commands of README.md, in their order, and those that a test of their own runs."""

import re
from typing import NamedTuple

from markdown_it import MarkdownIt

from nightlite.paths import PROJECT

README = PROJECT / "README.md"
_COMMENT = re.compile(r"\s+# (.*)$")
_EXIT_CODE = re.compile(r"exit code (\d+)")


class Command(NamedTuple):
    """A line of a fenced block, and the exit code that its comment names."""

    line: str
    exit_code: int = 0


class Proof(NamedTuple):
    """A file of a test, and a part of it that does what the command does."""

    file: str
    part: str


# In an Airflow's environment that has the wheel, one after the other.
IN_PLAIN_AIRFLOW = (
    "nightlite tfx-env",
    "cd examples/runner",
    "nightlite compile orders.pipeline:create_pipeline --arg data=$PWD/data "
    "--arg root=${AIRFLOW_HOME:-$HOME/airflow}/nightlite/var/pipelines/orders --output dags/orders.json",
    "cp -r dags ${AIRFLOW_HOME:-$HOME/airflow}",
    "airflow dags reserialize",
    "airflow dags test orders",
)
# What changes this machine, needs a Docker engine, or takes too long to be run twice.
RUN_ELSEWHERE = {
    "make test": Proof(".ci/run", "exec make test"),
    "uv build --wheel": Proof("tests/wheel/conftest.py", 'uv("build", "--quiet", "--wheel"'),
    "pip install dist/nightlite-0.1.0-py3-none-any.whl": Proof("tests/wheel/conftest.py", "python, str(wheel))"),
    **dict.fromkeys(IN_PLAIN_AIRFLOW, Proof("tests/wheel/test_first_run.py", "'; '.join(IN_PLAIN_AIRFLOW)")),
    "make env image": Proof("tests/compose/conftest.py", 'deployment.compose("--progress", "plain", "build", "init"'),
    "docker compose up -d": Proof("tests/compose/deployment.py", 'self.compose("up", "-d"'),
}


def blocks(text: str) -> list[tuple[str, str]]:
    """Return each block of code with its language: "" for one without, "indented" for one without a fence."""
    tokens = MarkdownIt("commonmark").parse(text)
    languages = {"fence": lambda info: info.strip(), "code_block": lambda info: "indented"}
    return [(languages[token.type](token.info), token.content) for token in tokens if token.type in languages]


def commands(text: str) -> list[Command]:
    """Return every command of the fenced `sh` blocks."""
    found, shell = [], "".join(content for language, content in blocks(text) if language == "sh")
    for line in shell.replace("\\\n  ", "").splitlines():
        said = _COMMENT.search(line)
        code = _EXIT_CODE.search(said[1]) if said else None
        found.append(Command(_COMMENT.sub("", line), int(code[1]) if code else 0))
    return found
