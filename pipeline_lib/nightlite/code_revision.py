"""Revision of this code, which a release names as its origin."""

import hashlib
import subprocess
from pathlib import Path

from nightlite.paths import PACKAGE, PROJECT

_DECIDES_A_MODEL = ("pipeline_lib", "schema", "dags")


def code_revision(project: Path = PROJECT) -> str:
    """Return the image's file REVISION, else git's revision, else a fingerprint of the code.

    Returns:
      The file's line; or 40 hex digits, with `-dirty` if files differ from that commit, or a model's files are in no
      commit; or `sha256:` and 64 hex digits.
    """
    baked = project / "REVISION"
    said = baked.read_text(encoding="utf-8").strip() if baked.exists() else _git(project)
    sources = project / "pipeline_lib"
    return said or f"sha256:{fingerprint(sources if sources.is_dir() else PACKAGE)}"


def fingerprint(*folders: Path) -> str:
    """Return sha256 (hex) of the names and contents of the Python files under `folders`."""
    digest = hashlib.sha256()
    for folder in folders:
        for file in sorted(folder.rglob("*.py")):
            digest.update(file.relative_to(folder).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


def _git(project: Path) -> str:
    # A folder inside another checkout would get that one's revision.
    if not (project / ".git").exists():
        return ""
    revision = _answer("git", "-C", str(project), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")
    if not revision or revision.endswith("-dirty"):
        return revision
    # `describe` does not look at files that were never added, such as a new model's.
    untracked = ("ls-files", "--others", "--exclude-standard", "--", *_DECIDES_A_MODEL)
    return f"{revision}-dirty" if _answer("git", "-C", str(project), *untracked) else revision


def _answer(*command: str) -> str:
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return answer.stdout.strip() if answer.returncode == 0 else ""
