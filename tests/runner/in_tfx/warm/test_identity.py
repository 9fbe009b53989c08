"""The names of warm servers' sockets: what is another server, and what is not."""

import os
import shutil
import socket
import sys
from pathlib import Path

import pytest

from nightlite.paths import SOURCES
from nightlite.runner.in_tfx.warm import identity


def test_a_long_state_folder_gets_its_sockets_elsewhere(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 80)
    deep.mkdir()
    path = identity.socket_path(deep)
    assert len(os.fsencode(path)) < 104
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
    path.unlink()
    path.parent.rmdir()


def test_each_edit_of_our_code_and_each_change_of_the_environment_is_another_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, packages = tmp_path / "nightlite", tmp_path / "site-packages"
    shutil.copytree(SOURCES / "nightlite", ours, ignore=shutil.ignore_patterns("__pycache__"))
    packages.mkdir()
    monkeypatch.setattr(identity, "OURS", ours)
    monkeypatch.syspath_prepend(str(packages))
    in_tfx = ours / "runner" / "in_tfx"

    def append(file: Path) -> None:
        file.write_text(file.read_text() + "# edited\n")

    def swap(one: Path, other: Path) -> None:
        one.rename(tmp_path / "kept")
        other.rename(one)
        (tmp_path / "kept").rename(other)

    changes = {
        "a module": lambda: append(in_tfx / "node.py"),
        "a package's module": lambda: append(in_tfx / "warm" / "forking.py"),
        "the core": lambda: append(ours / "settings.py"),
        "a product that joins the runner": lambda: append(ours / "ondevice" / "results" / "outcome.py"),
        "a new module": lambda: (in_tfx / "new.py").write_text("# new\n"),
        "two files of one name": lambda: swap(in_tfx / "__init__.py", in_tfx / "warm" / "__init__.py"),
        "an installed package": lambda: os.utime(packages, (1, 1)),
    }
    path = identity.socket_path(tmp_path)
    seen = {path}
    for what, change in changes.items():
        assert not identity.is_outdated(path)
        change()
        assert identity.is_outdated(path), what
        path = identity.socket_path(tmp_path)
        assert path not in seen, what
        assert identity.family_of(path) == identity.family_of(next(iter(seen)))
        seen.add(path)
    for never_here in ("runner/in_airflow/operators.py", "ondevice/in_airflow/notice/task.py"):
        append(ours / never_here)
    assert identity.socket_path(tmp_path) == path
    monkeypatch.setattr(sys, "executable", "/elsewhere/python")
    assert identity.family_of(identity.socket_path(tmp_path)) != identity.family_of(path)


@pytest.mark.parametrize(
    ("variable", "is_another"),
    [
        ("TF_USE_LEGACY_KERAS", True),
        ("KERAS_BACKEND", True),
        ("XLA_FLAGS", True),
        ("PYTHONHASHSEED", True),
        ("PYTHONPATH", False),
        ("PYTHONUNBUFFERED", False),
        ("NIGHTLITE_KEEP_RELEASES", False),
        ("TFX", False),
    ],
)
def test_a_variable_that_is_read_at_import_is_a_server_of_another_kind(
    tmp_path: Path, variable: str, is_another: bool
) -> None:
    plain = identity.socket_path(tmp_path, {"PATH": "/bin"})
    other = identity.socket_path(tmp_path, {"PATH": "/bin", variable: "1"})
    assert (identity.family_of(other) != identity.family_of(plain)) == is_another
    assert not identity.is_outdated(other)
