"""The compiled pipeline: the one file that TFX's side writes and Airflow's side reads.

It holds TFX's own intermediate representation, `pipeline_pb2.Pipeline` as JSON, for run_node. Airflow needs little
of it: nodes, edges and run parameters. `in_tfx/compile.py` writes it.

Its first line holds a digest of all other lines, so either side refuses a damaged file. The digest is no signature:
anyone who rewrites the file can compute it.
"""

import hashlib
import json
import re
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from nightlite.errors import CompiledPipelineError
from nightlite.paths import IS_CHECKOUT

SCHEMA_VERSION: Final = 1
# A command of this project's own models, and of any other pipeline.
MAKE_COMPILE: Final = "make compile"
HOW_TO_COMPILE: Final = (
    "run 'make compile' for a model, 'nightlite compile' for any other pipeline"
    if IS_CHECKOUT
    else "run 'nightlite compile MODULE:FUNCTION --output FILE'"
)
# Run parameter of a pipeline that answers no node from the cache.
FORCE: Final = "force"
_COMMAND = re.compile(rb'"compiled_by": "((?:[^"\\]|\\.)+)"')
_DIGEST_LINE = re.compile(rb'\{ "sha256": "([0-9a-f]{64})",\n')


class Node(BaseModel):
    """One node of the pipeline. `type` is TFX's class path. `system` nodes have no executor.

    `optional`: those of `upstream` that may be skipped without it. `retries` and `timeout_seconds` are the pipeline's
    own NodeExecutionOptions; a DAG's NodeSettings override them.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    type: str
    upstream: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    system: bool = False
    retries: int | None = None
    timeout_seconds: int | None = None


class Parameter(BaseModel):
    """One run parameter. `json_schema` (bounds, enum, title, description) goes to Airflow's `Param` unchanged.

    `given_by` "airflow": no run may set it, such as its logical date; `context_parameters` of the config sets it.
    `read_by` "nodes": a TFX RuntimeParameter (never a bool) of some node. "run": the whole run obeys it, so no node
    need mention it. It is offered, checked and recorded like the others.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    type: Literal["int", "float", "str", "bool"]
    default: bool | int | float | str | None = None
    json_schema: dict[str, Any] = {}
    given_by: Literal["user", "airflow"] = "user"
    read_by: Literal["nodes", "run"] = "nodes"


class Hooks(BaseModel):
    """Hooks by which a product joins the runner, each as `module:function` or "": see `runner/hooks.py`.

    `asked_again`: exec properties whose value an execution must share to answer a request of the same run.
    """

    model_config = ConfigDict(frozen=True)

    outcome: str = ""
    after_run: str = ""
    asked_again: tuple[str, ...] = ()


class CompiledPipeline(BaseModel):
    """A compiled TFX pipeline, with its nodes in topological order.

    `declaration` is a product's digest of the declaration that it was made of, "" if there is none. `pages` is what
    its pages show of the declaration. The runner reads neither.
    `compiled_by` is the command that compiles it again. `sources` is the folder from which the nodes import the
    pipeline's own modules, beside their own paths.
    """

    model_config = ConfigDict(frozen=True)

    schema_version: Literal[1] = SCHEMA_VERSION
    tfx_version: str
    name: str
    nodes: tuple[Node, ...]
    parameters: tuple[Parameter, ...] = ()
    hooks: Hooks = Hooks()
    declaration: str = ""
    pages: dict[str, Any] = {}
    compiled_by: str = ""
    sources: str = ""
    ir: dict[str, Any]

    def write(self, path: Path) -> bool:
        """Write the file, unless it holds exactly that already. Return whether it was written."""
        content = sealed(self.model_dump_json(indent=1)).encode()
        if path.is_file() and path.read_bytes() == content:
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        from nightlite import durable  # no parse of the DAG writes

        durable.write(path, content)
        return True

    @property
    def how_to_compile(self) -> str:
        """Return the advice to compile it again."""
        return f"run '{self.compiled_by}'" if self.compiled_by else HOW_TO_COMPILE

    @classmethod
    def read(cls, path: Path) -> "CompiledPipeline":
        """Read and check a compiled pipeline.

        Raises:
          CompiledPipelineError: it is missing, damaged or from another version. The message names the command to run.
        """
        try:
            content = path.read_bytes()
        except OSError as error:
            raise CompiledPipelineError(
                f"no compiled pipeline at {path} ({error.strerror or error}): {HOW_TO_COMPILE}"
            ) from None
        digest, advice = _DIGEST_LINE.match(content), _advice(content)
        if not digest:
            raise CompiledPipelineError(
                f"{path} is not a compiled pipeline of this version (its first line has no digest): {advice}"
            )
        if hashlib.sha256(content[digest.end() :]).hexdigest() != digest[1].decode():
            raise CompiledPipelineError(f"{path} does not match its digest (damaged, or edited): {advice}")
        try:
            return cls.model_validate_json(content)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "file"
            raise CompiledPipelineError(
                f"{path} is not a compiled pipeline of version {SCHEMA_VERSION} ({where}: {first['msg']}): {advice}"
            ) from None


def _advice(content: bytes) -> str:
    """Return the advice to compile a file again that cannot be used, with its own command if that can be read."""
    if not (command := _COMMAND.search(content)):
        return HOW_TO_COMPILE
    try:
        return f"run '{json.loads(command[0].partition(b': ')[2])}'"
    except ValueError:
        return HOW_TO_COMPILE


def require_json(value: Any) -> None:
    """Check that a run parameter's value can be sent, stored and read again. Python's JSON takes more than that.

    Raises:
      UnicodeError: it holds half a character.
      ValueError: it holds a number that is not finite.
      TypeError: JSON has no such type.
    """
    json.dumps(value, allow_nan=False, ensure_ascii=False).encode()


def sealed(document: str) -> str:
    """Return the text of a non-empty JSON object with the line of its digest added."""
    rest = document.partition("{")[2].lstrip()
    return f'{{ "sha256": "{hashlib.sha256(rest.encode()).hexdigest()}",\n{rest}'
