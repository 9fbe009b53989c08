"""The tables of run parameters, gates and settings in README.md, which `make docs` writes with cog."""

from collections.abc import Iterable
from typing import Any

from pipeline_lib import gate_table, param_text, run_params
from pipeline_lib.graph import Parameter
from pipeline_lib.places import PROJECT
from pipeline_lib.settings import PREFIX, Settings

_CONTRACT = (
    "| `contract` | | | | `image_floats` float32 [n, 784] in, float32 [n, 10] out; else it says what was found |"
)
_GROUPS = (
    ("**both Evaluators** (TFMA, eval split)", (), gate_table.EVALUATORS),
    (
        "**against the last release and the anchor** (the TFLite Evaluator, EdgeValidator)",
        (),
        gate_table.AGAINST_RELEASES,
    ),
    (
        "**EdgeValidator** (LiteRT with its default delegates, so with XNNPACK, one thread, a process of its own)",
        (_CONTRACT,),
        gate_table.EDGE,
    ),
    ("**DataGate** (fails the run before training, naming each anomaly)", (), gate_table.DATA),
)


def gates() -> str:
    """Return the table of all gates: what a blessing means."""
    parameters = {parameter.name: parameter for parameter in run_params.parameters()}
    lines = ["| gate | default | allowed range | unit | of |", "| --- | --- | --- | --- | --- |"]
    for heading, first, rows in _GROUPS:
        lines += [f"| | | | | {heading} |", *first]
        lines += [f"{_start(parameters[row.name])} {row.unit} | {row.about or row.subject} |" for row in rows]
    return _block(lines)


def parameters() -> str:
    """Return the table of the run parameters that are no gate's bound."""
    bounds = {row.name for row in (*gate_table.OF_MODELS, *gate_table.DATA)}
    lines = ["| parameter | default | allowed | |", "| --- | --- | --- | --- |"]
    for parameter in run_params.parameters():
        if parameter.name not in bounds:
            lines.append(f"{_start(parameter)} {parameter.json_schema['description']} |")
    return _block(lines)


def settings() -> str:
    """Return the table of the settings."""
    lines = ["| variable | default | |", "| --- | --- | --- |"]
    for name, field in Settings.model_fields.items():
        value = default(field)
        lines.append(f"| `{PREFIX}{name.upper()}` | {f'`{value}`' if value else ''} | {field.description} |")
    return _block(lines)


def default(field: Any) -> str:
    """Return a setting's default as its variable holds it; "" where there is none, or where it depends on others."""
    value = "" if field.default is None or field.default_factory else field.default
    return str(value).removeprefix(f"{PROJECT}/").removesuffix(".0")


def _start(parameter: Parameter) -> str:
    return f"| `{parameter.name}` | {param_text.default(parameter)} | {param_text.bounds(parameter)} |"


def _block(lines: Iterable[str]) -> str:
    return "\n".join(["", *lines, "", ""])
