"""A copy of the project's set-up that runs for real, on a PATH that holds only stand-ins and the few tools it needs."""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
TOOLS = "awk bash cat cp dirname env head kill ln mkdir mv paste realpath rm sed sleep sort"

# uv's part in set-up: environments are made for real, installing is only written down.
UV = f"""
echo "$@" >>"$UV_CALLS"
case "$*" in
*"${{UV_KILLS_SETUP_AT:-nothing}}"*) kill -9 $PPID; exit 1 ;;
esac
case "$1 $2" in
"--version "*) echo "uv 0.13.9 (test)" ;;
"python find") exit 1 ;;
"venv "*) for folder in "$@"; do :; done; mkdir -p "$folder/bin"; ln -s {sys.executable} "$folder/bin/python" ;;
"pip sync") eval "${{UV_SYNC:-}}" ;;
esac
"""


@dataclass(frozen=True)
class Host:
    """A host as set-up sees it: `bin` is all of its PATH, `project` the checkout."""

    bin: Path
    project: Path

    def command(self, name: str, script: str) -> None:
        path = self.bin / name
        path.unlink(missing_ok=True)
        path.write_text(f"#!{shutil.which('bash')}\n{script}\n")
        path.chmod(0o755)

    def environment(self, **variables: str) -> dict[str, str]:
        home = str(self.project.parent)
        calls = str(self.project.parent / "uv-calls")
        return {"PATH": str(self.bin), "HOME": home, "UV_CALLS": calls, "OS_RELEASE": f"{home}/os-release", **variables}

    def run(self, *command: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = self.environment(**variables)
        return subprocess.run(command, env=environment, cwd=self.project, capture_output=True, text=True, timeout=60)

    def setup(self, **variables: str) -> subprocess.CompletedProcess[str]:
        return self.run(self.project / "setup" / "setup.sh", **variables)

    def uv_calls(self, about: str = "") -> list[str]:
        log = self.project.parent / "uv-calls"
        lines = log.read_text().splitlines() if log.exists() else []
        return [line for line in lines if about in line and not line.startswith(("--version", "python find"))]


def _only_files(folder: str, names: list[str]) -> list[str]:
    """Return the folders: set-up must do with the three packages, whose modules are the standard library's."""
    return [name for name in names if Path(folder, name).is_dir()]


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """Return Linux on x86_64 with a new glibc, a fitting python3, a compiler and uv."""
    project = tmp_path / "project"
    shutil.copytree(PROJECT / "setup", project / "setup", ignore=shutil.ignore_patterns("__pycache__"))
    library = Path("pipeline_lib", "nightlite")
    for package in (library, library / "runner", library / "runner" / "tfx_env"):
        shutil.copytree(PROJECT / package, project / package, ignore=_only_files, dirs_exist_ok=True)
    for file in ["pyproject.toml", *(path.name for path in PROJECT.glob("requirements*.txt"))]:
        shutil.copy(PROJECT / file, project)
    (tmp_path / "os-release").write_text("ID=debian\nVERSION_CODENAME=bookworm\n")
    (tmp_path / "bin").mkdir()
    host = Host(tmp_path / "bin", project)
    for tool in TOOLS.split():
        (host.bin / tool).symlink_to(str(shutil.which(tool)))
    host.command("uname", '[ "$1" = -s ] && echo Linux || echo x86_64')
    host.command("getconf", "echo glibc 2.41")
    host.command("python3", f'exec {sys.executable} "$@"')
    host.command("g++", "exit 0")
    host.command("uv", UV)
    return host
