"""The hashed locks still satisfy pyproject.toml, on every platform and Python that it admits. Offline."""

import re
import tomllib
from pathlib import Path
from typing import NamedTuple

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

PROJECT = Path(__file__).resolve().parents[2]
PYPROJECT = tomllib.loads((PROJECT / "pyproject.toml").read_text())
EXTRAS, GROUPS = PYPROJECT["project"]["optional-dependencies"], PYPROJECT["dependency-groups"]
CORE = PYPROJECT["project"]["dependencies"]

TFX_ENV = "pipeline_lib/nightlite/runner/tfx_env"
LOCKS = {
    "requirements.txt": [*CORE, *EXTRAS["airflow"], *EXTRAS["celery"], *GROUPS["dev"]],
    "requirements-tfx.txt": [*CORE, *EXTRAS["tfx"], *EXTRAS["models"], *GROUPS["dev"]],
    f"{TFX_ENV}/requirements-tools.txt": GROUPS["setup"],
    f"{TFX_ENV}/requirements-tfx.txt": [*CORE, *EXTRAS["tfx"]],
    "requirements-screenshots.txt": GROUPS["screenshots"],
}
PLATFORMS = [
    {"python_full_version": f"{python}.0", "sys_platform": system, "platform_machine": machine}
    for python in ("3.11", "3.12", "3.13")
    for system, machine in (("linux", "x86_64"), ("darwin", "arm64"))
]  # fmt: skip


class Pin(NamedTuple):
    requirement: Requirement
    hashes: list[str]


def pins(lock: str) -> list[Pin]:
    text = re.sub(r"^\s*#.*$", "", (PROJECT / lock).read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    split = (line.split(" --hash=") for line in text.splitlines() if line.strip())
    return [Pin(Requirement(requirement), [value.strip() for value in hashes]) for requirement, *hashes in split]


def versions(lock: str, platform: dict[str, str]) -> dict[str, Version]:
    """Return what this lock installs there. Two pins of one package for one platform are an error."""
    found: dict[str, Version] = {}
    for requirement, _ in pins(lock):
        if requirement.marker and not requirement.marker.evaluate(platform):
            continue
        (specifier,) = requirement.specifier
        name = canonicalize_name(requirement.name)
        assert specifier.operator == "=="
        assert name not in found, f"{lock} pins {name} twice for {platform}"
        found[name] = Version(specifier.version)
    return found


@pytest.mark.parametrize("platform", PLATFORMS, ids=lambda p: f"{p['sys_platform']}-{p['python_full_version']}")
@pytest.mark.parametrize("lock", LOCKS)
def test_satisfies_pyproject(lock, platform):
    locked = versions(lock, platform)
    for requirement in map(Requirement, LOCKS[lock]):
        if requirement.marker and not requirement.marker.evaluate(platform):
            continue
        version = locked.get(canonicalize_name(requirement.name))
        assert version, f"{requirement.name} is not in {lock}: run make lock"
        assert requirement.specifier.contains(version), f"{lock} has {version}, not {requirement}: run make lock"


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_has_hashes(lock):
    assert pins(lock)
    for requirement, hashes in pins(lock):
        assert hashes, f"{lock}: {requirement.name} has no hash"
        assert all(re.fullmatch("sha256:[0-9a-f]{64}", value) for value in hashes), requirement.name


@pytest.mark.parametrize("platform", PLATFORMS, ids=lambda p: f"{p['sys_platform']}-{p['python_full_version']}")
def test_what_runs_on_both_sides_is_alike_on_both(platform):
    """The core writes files on one side and reads them on the other, and one ruff and mypy judge both."""
    airflow, tfx = (versions(lock, platform) for lock in ("requirements.txt", "requirements-tfx.txt"))
    for name in (canonicalize_name(Requirement(text).name) for text in [*CORE, *GROUPS["dev"]]):
        assert airflow[name].release[:2] == tfx[name].release[:2], name


def test_the_conflict_that_makes_two_environments_is_still_there():
    """Once attrs fits both, one environment may do: reconsider the split."""
    airflow, tfx = (versions(lock, PLATFORMS[0])["attrs"] for lock in ("requirements.txt", "requirements-tfx.txt"))
    assert tfx < Version("24") < airflow


def test_the_wheels_lock_is_the_tested_one_without_what_developing_takes():
    whole, shipped = (
        {str(pin.requirement) for pin in pins(lock)}
        for lock in ("requirements-tfx.txt", f"{TFX_ENV}/requirements-tfx.txt")
    )
    assert shipped < whole
    assert not any(pin.startswith(("pytest==", "ruff==")) for pin in shipped)


def test_the_uv_that_set_up_fetches_or_accepts_is_the_one_that_builds():
    (build_requirement,) = map(Requirement, PYPROJECT["build-system"]["requires"])
    accepted = re.search(
        r"UV_FROM, UV_BEFORE = \((\d+), (\d+)\), \((\d+), (\d+)\)", (PROJECT / TFX_ENV / "tools.py").read_text()
    )
    assert accepted
    assert build_requirement.specifier == SpecifierSet(">={}.{},<{}".format(*accepted.groups()[:3]))
    assert build_requirement.specifier.contains(versions(f"{TFX_ENV}/requirements-tools.txt", PLATFORMS[0])["uv"])
