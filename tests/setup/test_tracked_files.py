"""Things that no file of this project may hold: a package registry's host, a path of someone's machine, a uv.lock."""

import json
import re
import subprocess
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
# Each pattern is written so that it does not match itself.
REGISTRY = re.compile(r"py[p]i\.org|python[h]osted\.org|[.]debian[.]org|npm[j]s\.(org|com)|cr[a]tes\.io")
MACHINE = re.compile(r"(?<![\w.])/(wor[k]|roo[t]|hom[e]/\w+)/")


def files() -> list[Path]:
    """Return tracked files, and those that would be with the next `git add`."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True).stdout.split("\0")
    return [PROJECT / name for name in names if name and (PROJECT / name).is_file()]


def lines_with(pattern: re.Pattern[str]) -> list[str]:
    texts = ((path, path.read_text(encoding="utf-8", errors="ignore")) for path in files())
    return [f"{path.relative_to(PROJECT)}: {match[0]}" for path, text in texts for match in pattern.finditer(text)]


def test_no_file_names_a_registry_by_its_host():
    assert lines_with(REGISTRY) == []


def test_no_file_names_a_path_of_one_machine():
    assert lines_with(MACHINE) == []


def test_the_web_lock_has_sums_and_no_hosts():
    lock = json.loads((PROJECT / "web" / "package-lock.json").read_text())
    packages = {name: package for name, package in lock["packages"].items() if name}
    assert packages and all(package["integrity"].startswith("sha512-") for package in packages.values())
    assert [name for name, package in packages.items() if "resolved" in package] == []


def test_no_uv_lock():
    assert PROJECT / "uv.lock" not in files()
