"""The revision that a release says it was made by."""

import shutil
import subprocess
from pathlib import Path

import pytest

from nightlite.code_revision import code_revision


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pipeline_lib").mkdir()
    (tmp_path / "pipeline_lib" / "a.py").write_text("1")
    return tmp_path


def test_what_was_baked_in_wins(project: Path) -> None:
    (project / "REVISION").write_text("v1.2\n")
    assert code_revision(project) == "v1.2"
    (project / "REVISION").write_text("\n")  # of an image that was built without one
    assert code_revision(project).startswith("sha256:")


@pytest.mark.skipif(not shutil.which("git"), reason="no git on PATH")
def test_gits_commit_and_whether_files_differ_from_it(project: Path) -> None:
    def git(*arguments: str) -> str:
        who = ("-c", "user.name=t", "-c", "user.email=t@example.org")
        return subprocess.run(
            ["git", "-C", project, *who, *arguments], check=True, capture_output=True, text=True
        ).stdout

    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "-m", "x")
    git("tag", "-a", "-m", "x", "v1")
    commit = git("rev-parse", "HEAD").strip()
    assert code_revision(project) == commit
    (project / "pipeline_lib" / "a.py").write_text("2")
    assert code_revision(project) == f"{commit}-dirty"
    git("checkout", "--quiet", ".")
    (project / "notes.txt").write_text("decides no model")
    assert code_revision(project) == commit
    (project / "dags").mkdir()
    (project / "dags" / "wine.py").write_text("a model that was never added")
    assert code_revision(project) == f"{commit}-dirty"


def test_without_git_it_is_a_fingerprint_of_the_code(project: Path) -> None:
    first = code_revision(project)
    assert first.startswith("sha256:") and len(first) == 71
    (project / "pipeline_lib" / "a.py").write_text("2")
    assert code_revision(project) != first
