"""Which code this is: what a release says that it was made by."""

import hashlib
import subprocess
from pathlib import Path

from pipeline_lib.places import PROJECT


def code_revision(baked: str = "", project: Path = PROJECT) -> str:
    """The revision that was baked in, else git's, else a fingerprint of the code.

    Args:
      baked: the setting MNIST_LITE_CODE_REVISION, for an image without git.
      project: the checkout.

    Returns:
      `baked`; or 40 hex digits, with `-dirty` where files differ from that commit; or `sha256:` and 64 hex digits.
    """
    return baked or _git(project) or f"sha256:{fingerprint(project / 'pipeline_lib')}"


def fingerprint(*folders: Path) -> str:
    """sha256 (hex) of the names and contents of the Python files under `folders`."""
    digest = hashlib.sha256()
    for folder in folders:
        for file in sorted(folder.rglob("*.py")):
            digest.update(file.relative_to(folder).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


def _git(project: Path) -> str:
    # A folder inside somebody else's checkout would get that one's revision.
    if not (project / ".git").exists():
        return ""
    command = ["git", "-C", str(project), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return answer.stdout.strip() if answer.returncode == 0 else ""
