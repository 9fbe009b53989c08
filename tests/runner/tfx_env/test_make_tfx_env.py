"""The folder of the TFX environment, and this nightlite as a wheel for it. tests/wheel makes a real one."""

import shutil
import zipfile
from importlib.metadata import Distribution
from pathlib import Path

import pytest

from nightlite.runner.tfx_env import make_tfx_env, own_wheel
from nightlite.runner.tfx_env.environment import MARKER, Environment, finish, is_up_to_date
from nightlite.runner.tfx_env.host import SetupError


def test_a_folder_of_somebody_elses_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(SetupError, match="expected a new or empty folder") as raised:
        make_tfx_env.make_tfx_env(tmp_path)
    assert raised.value.code == 2
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_host_that_lacks_something_is_told_so_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(make_tfx_env, "needs_newer_glibc", lambda: False)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(SetupError, match="expected a C\\+\\+ compiler.*nightlite tfx-env again"):
        make_tfx_env.make_tfx_env(tmp_path / "tfx")
    assert [path.name for path in (tmp_path / "tfx").iterdir()] == [MARKER]


def test_another_build_of_nightlite_makes_the_environment_outdated(tmp_path: Path) -> None:
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    (bin_folder / "python").symlink_to("/bin/true")
    lock = tmp_path / "lock.txt"
    lock.touch()
    first, second = (Environment(tmp_path, lock, 0, tmp_path / "glibc", build) for build in ("a", "b"))
    assert not is_up_to_date(first)
    finish(first)
    assert is_up_to_date(first) and not is_up_to_date(second)


def test_an_installed_wheel_is_packed_again_without_what_its_installation_added(tmp_path: Path) -> None:
    info = tmp_path / "site-packages" / "nightlite-1.2.dist-info"
    package = tmp_path / "site-packages" / "nightlite"
    for folder in (info, package / "__pycache__", tmp_path / "bin"):
        folder.mkdir(parents=True)
    kept = ["nightlite/__init__.py", "nightlite/page.html", f"{info.name}/METADATA", f"{info.name}/WHEEL"]
    added = ["nightlite/__pycache__/x.pyc", f"{info.name}/INSTALLER", f"{info.name}/RECORD", "../bin/nightlite"]
    for name in [*kept, *added]:
        (tmp_path / "site-packages" / name).write_text("Metadata-Version: 2.1\nName: nightlite\nVersion: 1.2\n")
    (info / "RECORD").write_text("".join(f"{name},sha256=x,9\n" for name in [*kept, *added]))
    wheel = own_wheel.pack(Distribution.at(info), tmp_path)
    assert wheel.name == "nightlite-1.2-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as packed:
        assert packed.namelist() == [*kept, f"{info.name}/RECORD"]
        assert packed.read(f"{info.name}/RECORD").decode().split() == [
            *(f"{name},sha256=x,9" for name in kept),
            f"{info.name}/RECORD,,",
        ]
