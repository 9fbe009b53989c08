"""Each setting of this installation: its value, and where it is from."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from nightlite.deployment.client.access import AccessVariables
from nightlite.deployment.container_settings import ContainerVariables
from nightlite.deployment.in_airflow.watchdog.settings import PREFIX as WATCHDOG
from nightlite.deployment.in_airflow.watchdog.settings import WatchdogSettings
from nightlite.deployment.models import all_models
from nightlite.deployment.setting_check import unknown_variables
from nightlite.deployment.settings import Settings
from nightlite.errors import SettingsError
from nightlite.ondevice.in_airflow.notice.settings import PREFIX as NOTIFY
from nightlite.ondevice.in_airflow.notice.settings import NoticeSettings
from nightlite.ondevice.model import OnDeviceModel
from nightlite.ondevice.settings import ModelSettings, model_prefix, run_default_fields
from nightlite.settings import PREFIX, read_variables

MASK = "••••••"
DEFAULT, MODEL, FILE, ENVIRONMENT, UNKNOWN = "default", "the model", "settings.env", "environment", "unknown"
# Values of these may hold a password within an address.
_ADDRESSES = ("metadata_url", "feed_url", "beam_args")
_SECRETS = ("PASSWORD", "TOKEN", "SECRET")


class Shown(BaseModel):
    """One setting. `problem` says why its value cannot be used."""

    model_config = ConfigDict(frozen=True)

    name: str
    value: str
    source: str
    problem: str = ""


def shown_settings(environ: Mapping[str, str], of_file: Mapping[str, str]) -> list[Shown]:
    """Return every setting, then the variables that nothing reads.

    Args:
      environ: this process's environment, before settings.env was added to it.
      of_file: the variables of settings.env.
    """
    kinds: list[tuple[str, type[BaseSettings]]] = [
        (PREFIX, Settings),
        (NOTIFY, NoticeSettings),
        (WATCHDOG, WatchdogSettings),
        (PREFIX, AccessVariables),
        (PREFIX, ContainerVariables),
    ]
    found = [item for prefix, kind in kinds for item in _of_kind(prefix, kind, environ, of_file)]
    for model in all_models().values():
        own = {"schedule": model.schedule, "dataset": model.usual_source}
        prefix = model_prefix(model)
        found += _of_kind(prefix, ModelSettings, environ, of_file, own)
        found += _of_kind(prefix, run_default_fields(model), environ, of_file, _declared(model))
    names = {item.name for item in found}
    return [
        *found,
        *(
            Shown(name=name, value=MASK, source=_source(name, environ, of_file), problem="nothing reads it")
            for name in unknown_variables({**of_file, **environ})
            if name not in names
        ),
    ]


def _declared(model: OnDeviceModel) -> dict[str, Any]:
    """Return the bounds that a model declares itself."""
    return dict(model.gate_bounds)


def _of_kind(
    prefix: str,
    kind: type[BaseSettings],
    environ: Mapping[str, str],
    of_file: Mapping[str, str],
    own: Mapping[str, Any] | None = None,
) -> Iterator[Shown]:
    try:
        values, problem = read_variables(kind, prefix), ""
    except SettingsError as error:
        values, problem = None, str(error)
    for name, field in kind.model_fields.items():
        variable = f"{prefix}{name}".upper()
        source = _source(variable, environ, of_file)
        wrong = problem if problem.startswith(f"{variable}:") else ""
        if source == DEFAULT and own and own.get(name) is not None:
            yield Shown(name=variable, value=str(own[name]), source=MODEL)
            continue
        if values is None:
            value: Any = {**of_file, **environ}.get(variable, "") if source != DEFAULT else _default(field)
        else:
            value = getattr(values, name)
        yield Shown(name=variable, value=_text(name, field, value), source=source, problem=wrong)


def _default(field: FieldInfo) -> Any:
    return field.get_default(call_default_factory=True, validated_data={})


def _source(variable: str, environ: Mapping[str, str], of_file: Mapping[str, str]) -> str:
    if variable in environ:
        return ENVIRONMENT
    return FILE if variable in of_file else DEFAULT


def _text(name: str, field: FieldInfo, value: Any) -> str:
    if value is None or value == "" or value == ():
        return ""
    is_secret = "SecretStr" in str(field.annotation) or any(word.lower() in name for word in _SECRETS)
    if is_secret and not name.endswith("_file"):
        return MASK
    if name in _ADDRESSES and "@" in str(value):
        scheme, separator, rest = str(value).rpartition("@")
        return f"{scheme.split('://')[0]}://{MASK}@{rest}" if separator and "://" in scheme else MASK
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return str(value)
