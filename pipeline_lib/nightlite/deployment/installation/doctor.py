"""All checks of this installation, in the order in which they are printed. Nothing is changed."""

from collections.abc import Callable, Iterable, Iterator

from nightlite.deployment.installation import (
    airflow_checks,
    database_checks,
    feed_checks,
    host_checks,
    settings_files,
)
from nightlite.deployment.installation.check import Check, failed, ok
from nightlite.deployment.setting_check import check_settings
from nightlite.deployment.settings import Settings, settings
from nightlite.errors import NightliteError
from nightlite.paths import runtime_dir


def all_checks() -> Iterator[Check]:
    """Yield each check of this process's installation. With settings that cannot be read, that is the only one."""
    try:
        config = settings()
    except NightliteError as error:
        yield failed("settings", str(error), "correct it; nothing else can be checked before")
        return
    yield from checks(config)


def checks(config: Settings) -> Iterator[Check]:
    """Yield each check as it is done. One that breaks is a failed check, and the others go on."""
    home = config.var_dir / "airflow"
    every: tuple[tuple[str, Callable[[], Iterable[Check]]], ...] = (
        ("settings", lambda: [_settings(config)]),
        ("files of settings", lambda: [settings_files.check()]),
        ("disk", lambda: [host_checks.disk(config.var_dir)]),
        ("Python", lambda: host_checks.pythons(config.tfx_python)),
        ("clock", lambda: [host_checks.clock(config.var_dir)]),
        ("Airflow's database", lambda: [database_checks.airflow_database(home)]),
        ("MLMD's database", lambda: [database_checks.mlmd_database(config.mlmd_url)]),
        ("Airflow", lambda: airflow_checks.airflow(config)),
        ("warm server", lambda: [airflow_checks.warm_server(config, runtime_dir() / "run")]),
        ("locks", lambda: [airflow_checks.locks(config.var_dir)]),
        ("feed", lambda: feed_checks.feeds(config)),
    )
    for name, check in every:
        yield from _guarded(name, check)


def _guarded(name: str, check: Callable[[], Iterable[Check]]) -> Iterator[Check]:
    try:
        yield from check()
    except Exception as error:
        yield failed(name, f"could not be checked: {type(error).__name__}: {error}", "report this, with the line")


def _settings(config: Settings) -> Check:
    try:
        check_settings(config)
    except NightliteError as error:
        return failed("settings", str(error), "'nightlite config show' lists them all")
    return ok("settings", "every NIGHTLITE_ variable is known, every value can be used")
