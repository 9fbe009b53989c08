"""Check of every `NIGHTLITE_…` variable before Airflow starts, because a bad one would fail the nightly runs."""

import difflib
import fnmatch
import os
from collections.abc import Mapping
from pathlib import Path

from nightlite.deployment.client.access import AccessVariables
from nightlite.deployment.container_settings import ContainerVariables
from nightlite.deployment.in_airflow.watchdog.settings import WatchdogSettings, watchdog_settings
from nightlite.deployment.models import all_models, models
from nightlite.deployment.settings import Settings
from nightlite.did_you_mean import did_you_mean
from nightlite.errors import CompiledPipelineError, SettingsError
from nightlite.ondevice.in_airflow.notice.settings import NoticeSettings, notice_settings
from nightlite.ondevice.model import OnDeviceModel
from nightlite.ondevice.run_parameters import run_params
from nightlite.ondevice.settings import (
    ModelSettings,
    model_prefix,
    model_settings,
    run_default_fields,
    run_defaults,
)
from nightlite.runner.compiled_pipeline import CompiledPipeline
from nightlite.settings import PREFIX, read_variables

_READ_BY = (Settings, NoticeSettings, WatchdogSettings, AccessVariables, ContainerVariables)
# Read without pydantic, or set by this project for its own processes.
_OTHERS = frozenset({"NIGHTLITE_RUNTIME_DIR", "NIGHTLITE_STACK"})
_OF_TESTS = "NIGHTLITE_TEST_"
_WORD = PREFIX.rstrip("_")
# NIGHTLIT and NIGTHLITE are close, NIGHT and LITE are not.
_CLOSE = 0.8


def known_variables() -> frozenset[str]:
    """Return the names of all variables that this project reads, except those of its tests."""
    names = {f"{kind.model_config['env_prefix']}{name}".upper() for kind in _READ_BY for name in kind.model_fields}
    return _OTHERS.union(names, *map(model_variables, all_models().values()))


def model_variables(model: OnDeviceModel) -> frozenset[str]:
    """Return the names of a model's own variables."""
    prefix = model_prefix(model)
    names = (*ModelSettings.model_fields, *run_default_fields(model).model_fields)
    return frozenset(f"{prefix}{name}".upper() for name in names)


def refuse_unknown_variables(environ: Mapping[str, str] = os.environ) -> None:
    """Refuse a name that has our prefix, or nearly has it, and that nothing reads.

    Raises:
      SettingsError: it names them, and never their values, which may be secrets.
    """
    known = known_variables()
    unknown = sorted(name for name in environ if _is_ours(name) and name not in known)
    if by_run := [name for name in unknown if name.upper() in _run_only_variables()]:
        raise SettingsError(
            f"expected only parameters that a deployment may set for every run. Received: {', '.join(by_run)}; "
            "set it for one run, such as 'nightlite trigger --model NAME --param "
            f"{_run_only_variables()[by_run[0].upper()]}=VALUE'"
        )
    if unknown:
        raise SettingsError(
            f"{did_you_mean(map(_with_our_prefix, unknown), sorted(known), PREFIX)}Expected only variables "
            f"{PREFIX}… in capitals that docs/, settings.env.example or .env.example lists. "
            f"Received: {', '.join(unknown)}"
        )


def _is_ours(name: str) -> bool:
    """Return whether a variable is meant for this project: its first word is ours, in any case, or close to it."""
    if name.upper().startswith(_OF_TESTS):
        return False
    word, underscore, _ = name.upper().partition("_")
    return bool(underscore and difflib.get_close_matches(word, [_WORD], cutoff=_CLOSE))


def _with_our_prefix(name: str) -> str:
    return PREFIX + name.upper().partition("_")[2]


def _run_only_variables() -> dict[str, str]:
    """Return the variables that run parameters without one would have, with the parameters' names."""
    return {
        f"{model_prefix(model)}{name}".upper(): name
        for model in all_models().values()
        for name in run_params(model).model_fields.keys() - run_default_fields(model).model_fields.keys()
    }


def check_settings(config: Settings, *, with_files: bool = True) -> None:
    """Check every variable.

    Args:
      config: the settings, which were checked when they were read.
      with_files: also check the files that they name. Some containers lack some of these.

    Raises:
      SettingsError: a name is unknown, a value is malformed, or a file cannot be read.
    """
    refuse_unknown_variables()
    for model in models().values():
        run_defaults(model)
        model_settings(model)
    notices = notice_settings()
    watchdog_settings()
    read_variables(AccessVariables)
    read_variables(ContainerVariables)
    if with_files:
        notices.addresses()
        _require_file("signing_key", config.signing_key)
        _require_file("verifying_key", config.verifying_key)


def beam_args_without_nodes(config: Settings) -> list[str]:
    """Return a warning for each entry of NIGHTLITE_BEAM_ARGS that no node of the models' compiled pipelines has.

    It is no error: the entry may be for another pipeline of this Airflow. While a model has no usable compiled
    pipeline there is none.
    """
    try:
        files = [config.compiled_file(model) for model in models().values()] if config.beam_args else []
        nodes = list(dict.fromkeys(node.id for file in files for node in CompiledPipeline.read(file).nodes))
    except CompiledPipelineError:
        return []
    return [
        f"{did_you_mean([entry.nodes], nodes)}{PREFIX}BEAM_ARGS: entry {number}: nodes: expected a pattern that "
        f"matches a node of a model's pipeline ({', '.join(nodes)}). Received: {entry.nodes!r}"
        for number, entry in enumerate(config.beam_args, 1)
        if not fnmatch.filter(nodes, entry.nodes)
    ]


def _require_file(name: str, path: Path | None) -> None:
    if path and not (path.is_file() and os.access(path, os.R_OK)):
        raise SettingsError(f"{PREFIX}{name.upper()}: expected a file that can be read. Received: {path}")
