"""The tables in docs/ and the files of settings, as `make docs` writes them with cog."""

import copy
import textwrap
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from nightlite.deployment.in_airflow.watchdog.settings import PREFIX as WATCHDOG
from nightlite.deployment.in_airflow.watchdog.settings import WatchdogSettings
from nightlite.deployment.models import all_models
from nightlite.deployment.settings import Settings
from nightlite.ondevice import run_parameters
from nightlite.ondevice.gates import table
from nightlite.ondevice.gates.rows import GateRow
from nightlite.ondevice.in_airflow.notice.settings import PREFIX as NOTIFY
from nightlite.ondevice.in_airflow.notice.settings import NoticeSettings
from nightlite.ondevice.model import OnDeviceModel
from nightlite.ondevice.quantization import TOLERANCES
from nightlite.ondevice.settings import ModelSettings, model_prefix, run_default_fields
from nightlite.paths import PROJECT
from nightlite.runner import parameter_text
from nightlite.runner.compiled_pipeline import Parameter
from nightlite.settings import PREFIX

_EXAMPLE = "mnist"
_WITHOUT_A_BOUND = (
    "| `contract` | | | | the model's inputs, by their names, and its output; else it says what was found |",
    "| `compiled_model` | | | | largest difference of CompiledModel's answers from the Interpreter's, one example at a "
    "time, on at most 1,000: at most "
    + ", ".join(f"{tolerance:g} ({quantization})" for quantization, tolerance in TOLERANCES.items())
    + " |",
)
_CHANGE = "| `least_app_version` | 0 | | | first app that understands the file, if its contract is another |"
_GROUPS = (
    ("**both Evaluators** (TFMA, eval split)", (), table.EVALUATORS),
    (
        "**against the last release and the anchor** (the TFLite Evaluator, EdgeValidator)",
        (_CHANGE,),
        table.AGAINST_RELEASES,
    ),
    (
        "**EdgeValidator** (LiteRT with its default delegates, so with XNNPACK, one thread, a process of its own)",
        _WITHOUT_A_BOUND,
        table.EDGE,
    ),
    ("**DataGate** (fails the run before training, naming each anomaly)", (), table.DATA),
)


def gates() -> str:
    """Return the table of all gates: the meaning of a blessing."""
    model = _example()
    parameters = {parameter.name: parameter for parameter in run_parameters.parameters(model)}
    lines = ["| gate | default | allowed range | unit | of |", "| --- | --- | --- | --- | --- |"]
    for heading, first, rows in _GROUPS:
        lines += [f"| | | | | {heading} |", *first]
        for row in rows:
            holds = model.task.kind in row.tasks
            start = _start(parameters[row.name]) if holds else f"| `{row.name}` | {_default(row)} | {_allowed(row)} |"
            lines.append(f"{start} {row.unit} | {_of_task(row)}{row.about or row.subject} |")
    return _block(lines)


def _default(row: GateRow) -> str:
    return "the model's" if row.default is None else f"{row.default:g}"


def _allowed(row: GateRow) -> str:
    return " to ".join(f"{bound:g}" for bound in row.allowed)


def _of_task(row: GateRow) -> str:
    return f"{row.tasks[0]}: " if len(row.tasks) == 1 else ""


def parameters() -> str:
    """Return the table of the run parameters that are no gate's bound."""
    bounds = {row.name for row in (*table.OF_MODELS, *table.DATA)}
    lines = ["| parameter | default | allowed | |", "| --- | --- | --- | --- |"]
    for parameter in run_parameters.parameters(_example()):
        if parameter.name not in bounds:
            lines.append(f"{_start(parameter)} {parameter.json_schema['description']} |")
    return _block(lines)


def settings() -> str:
    """Return the table of the settings: the deployment's, then those of a model."""
    lines = ["| variable | default | |", "| --- | --- | --- |"]
    for prefix, name, field in (*_fields(PREFIX, Settings), *_of(_example())):
        value = default(field)
        lines.append(f"| `{prefix}{name.upper()}` | {f'`{value}`' if value else ''} | {field.description} |")
    return _block(lines)


def settings_file() -> str:
    """Return every setting with its default, all commented out, so that a copy of it changes nothing."""
    bounds = {row.name for row in (*table.OF_MODELS, *table.DATA)}
    model = _example()
    of_runs = _fields(model_prefix(model), run_default_fields(model))
    title = f"The model {model.name}; another model has the same by its own name, with its own defaults"
    parts = (
        ("The deployment", _fields(PREFIX, Settings)),
        (f"{title}: its nights", _of(model)),
        ("Defaults of its run parameters", [item for item in of_runs if item[1] not in bounds]),
        ("Its gates' bounds", [item for item in of_runs if item[1] in bounds]),
        ("Notices: only the recipients named here get one", _fields(NOTIFY, NoticeSettings)),
        ("The watchdog, where notices have a recipient", _fields(WATCHDOG, WatchdogSettings)),
    )
    lines = []
    for heading, fields in parts:
        lines += ["", f"# --- {heading} ---"]
        for prefix, name, field in fields:
            about = [f"# {line}" for line in textwrap.wrap(field.description or "", 116)]
            lines += [*about, f"#{prefix}{name.upper()}={quoted(default(field))}"]
    return "\n".join([*lines, ""])


def _fields(prefix: str, kind: type[BaseModel]) -> list[tuple[str, str, FieldInfo]]:
    return [(prefix, name, field) for name, field in kind.model_fields.items()]


def _example() -> OnDeviceModel:
    """Return the model whose defaults the tables show. A further model changes none of them."""
    found = all_models()
    return found.get(_EXAMPLE) or next(iter(found.values()))


def _of(model: OnDeviceModel) -> list[tuple[str, str, FieldInfo]]:
    own = {"schedule": model.schedule, "dataset": model.usual_source}
    fields = [(name, copy.copy(field)) for name, field in ModelSettings.model_fields.items()]
    for name, field in fields:
        field.default = own.get(name, field.default)
    return [(model_prefix(model), name, field) for name, field in fields]


def quoted(value: str) -> str:
    """Return a value as it stands in the file."""
    return f'"{value}"' if " " in value else value


def default(field: Any) -> str:
    """Return a setting's default as its variable holds it, or "" if there is none or it depends on others."""
    value = "" if field.default is None or field.default_factory else field.default
    if isinstance(value, tuple):
        return ",".join(value)
    return str(value).removeprefix(f"{PROJECT}/").removesuffix(".0")


def _start(parameter: Parameter) -> str:
    return f"| `{parameter.name}` | {parameter_text.default(parameter)} | {parameter_text.bounds(parameter)} |"


def _block(lines: Iterable[str]) -> str:
    return "\n".join(["", *lines, "", ""])
