"""A folder of releases: pushes, interrupted ones, rollbacks, prunes, and what a reader is told of damage."""

import contextlib
import hashlib
import io
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from nightlite import durable
from nightlite.deployment import releases_tables
from nightlite.deployment.settings import Settings
from nightlite.errors import ReleaseError
from nightlite.ondevice.releases.checked import export
from nightlite.ondevice.releases.release import Release
from nightlite.ondevice.releases.store import Releases
from tests.ondevice.releases.made_releases import describe, history, push

BACK = "only 'nightlite models rollback --model mnist {}' brings it back"


class Killed(BaseException):
    """Stands for SIGKILL: no one catches it."""


def die(*_: object) -> None:
    raise Killed


@pytest.fixture
def releases(tmp_path: Path) -> Releases:
    return Releases(tmp_path / "mnist" / "releases")


@pytest.fixture
def three(releases: Releases) -> Releases:
    for number in (1, 2, 3):
        push(releases, f"model {number}", f"run-{number}")
    return releases


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_symlink()}


def test_nothing_is_there_before_the_first_push(releases: Releases) -> None:
    assert (releases.latest(), releases.versions(), releases.history()) == (None, [], [])
    assert not releases.folder.exists()


def test_a_push_makes_a_whole_version_and_points_to_it(releases: Releases) -> None:
    done = push(releases, "model", "run-1")
    assert (done.outcome, done.release.version) == ("released", 1)
    assert files(releases.folder) == {"1", "1/model.tflite", "1/labels.txt", "1/manifest.json", "history.jsonl"}
    assert os.readlink(releases.folder / "latest") == "1"
    manifest = json.loads((releases.folder / "latest" / "manifest.json").read_text())
    assert manifest["sha256"] == hashlib.sha256(b"model").hexdigest()
    assert (manifest["size_bytes"], manifest["version"], manifest["model_artifact_id"]) == (5, 1, 8)
    assert (manifest["span"], manifest["run_id"], manifest["labels"]) == (4, "run-1", ["0", "1"])
    assert (releases.folder / "latest" / "labels.txt").read_text() == "0\n1\n"
    [event] = releases.history()
    assert (event.action, event.who, event.why) == ("push", "Pusher", "run run-1")


def test_a_retry_of_the_same_run_makes_no_second_version(releases: Releases) -> None:
    first, again = push(releases, "model", "run-1"), push(releases, "model", "run-1")
    assert again.outcome == "released" and again.release == first.release
    assert history(releases.folder) == [("push", 1, None)]


def test_what_latest_holds_already_is_nothing_new(releases: Releases) -> None:
    push(releases, "model", "run-1")
    again = push(releases, "model", "run-2")
    assert (again.outcome, again.release.version) == ("nothing_new", 1)
    assert again.why == "nothing new: release 1 is this very file already"
    assert releases.versions() == [1]


def test_an_older_releases_file_is_a_new_release(three: Releases) -> None:
    done = push(three, "model 1", "run-4")
    assert (done.outcome, done.release.version, three.latest_version()) == ("released", 4, 4)


def test_a_damaged_latest_is_not_taken_for_the_same_file(releases: Releases) -> None:
    push(releases, "model", "run-1")
    (releases.folder / "1" / "model.tflite").write_text("rotten")
    assert push(releases, "model", "run-2").release.version == 2


@pytest.mark.parametrize("step", ["sync", "write", "link"])
def test_a_push_that_is_killed_is_whole_or_not_there_and_a_retry_completes_it(
    three: Releases, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """sync: before the version is there; write: before it is recorded; link: before `latest` moves."""
    with monkeypatch.context() as patch:
        patch.setattr(durable, step, die)
        patch.setattr(durable.shutil, "rmtree", lambda *_, **__: None)  # a killed process clears nothing up
        with pytest.raises(Killed):
            push(three, "model 4", "run-4")
    latest = three.latest_model()
    assert latest and (latest[0].version, latest[1]) == (3, b"model 3")
    done = push(three, "model 4", "run-4")
    assert (done.outcome, done.release.version, three.latest_version()) == ("released", 4, 4)
    assert three.versions() == [1, 2, 3, 4]
    assert history(three.folder)[3:] == [("push", 4, 3)]
    assert not list(three.folder.glob(".*"))


def test_a_late_retry_does_not_take_latest_back(three: Releases) -> None:
    assert push(three, "model 2", "run-2").release.version == 2
    assert three.latest_version() == 3


def test_a_full_disk_leaves_everything_as_it_was(three: Releases, monkeypatch: pytest.MonkeyPatch) -> None:
    before = files(three.folder)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("nightlite.ondevice.releases.store.shutil.copyfile", full)
    with pytest.raises(ReleaseError, match="cannot be changed: No space left"):
        push(three, "model 4", "run-4")
    assert files(three.folder) == before
    assert three.latest_version() == 3


def test_a_rollback_moves_the_pointer_and_says_who_and_why(three: Releases) -> None:
    three.rollback(1, who="ann", why="3 mistakes sevens")
    assert three.latest_version() == 1
    assert three.versions() == [1, 2, 3]
    event = three.history()[-1]
    assert (event.action, event.version, event.previous) == ("rollback", 1, 3)
    assert (event.who, event.why) == ("ann", "3 mistakes sevens")


def test_what_was_rolled_back_from_is_not_pushed_again_by_the_next_run(three: Releases) -> None:
    three.rollback(1, who="ann", why="3 mistakes sevens")
    for withdrawn in ("model 3", "model 2"):
        done = push(three, withdrawn, "run-4")
        assert (done.outcome, three.latest_version()) == ("rolled_back", 1)
        assert (
            done.why
            == f"not pushed: ann rolled back from this very file (3 mistakes sevens); {BACK.format(withdrawn[-1])}"
        )
    three.rollback(3, who="ben", why="it was the test")
    assert push(three, "model 3", "run-5").outcome == "nothing_new"
    assert push(three, "model 2", "run-5").outcome == "rolled_back"
    assert push(three, "model 4", "run-5").outcome == "released"


@pytest.mark.parametrize("killed", [False, True])
def test_a_retry_does_not_announce_what_was_rolled_back_from_since_its_first_try(
    three: Releases, monkeypatch: pytest.MonkeyPatch, killed: bool
) -> None:
    """killed: after the push was recorded, before `latest` moved; else what came after the push failed."""
    with monkeypatch.context() as patch:
        if killed:
            patch.setattr(durable, "link", die)
        with contextlib.suppress(Killed):
            push(three, "model 4", "run-4")
    three.rollback(2, who="ann", why="4 mistakes sevens")
    done = push(three, "model 4", "run-4")
    assert (done.outcome, three.latest_version()) == ("rolled_back", 2)
    assert done.why == f"not pushed: ann rolled back from this very file (4 mistakes sevens); {BACK.format(4)}"
    assert history(three.folder)[3:] == [("push", 4, 3), ("rollback", 2, 4)]
    three.rollback(4, who="ben", why="it does not")
    assert (push(three, "model 4", "run-4").outcome, three.latest_version()) == ("released", 4)


def test_who_withdrew_a_file_first_is_named(three: Releases) -> None:
    three.rollback(1, who="ann", why="3 mistakes sevens")
    three.rollback(2, who="ben", why="it was not 2")
    assert "ann rolled back" in push(three, "model 3", "run-4").why


@pytest.mark.parametrize(
    ("version", "said"), [(3, "is the latest already"), (7, r"\(1, 2, 3\)\. Received: 7"), (1, "expected sha256")]
)
def test_a_rollback_to_what_cannot_be_used_is_refused(three: Releases, version: int, said: str) -> None:
    (three.folder / "1" / "model.tflite").write_text("rotten")
    with pytest.raises(ReleaseError, match=said):
        three.rollback(version, who="ann", why="a whim")
    assert three.latest_version() == 3
    assert len(three.history()) == 3


def test_pruning_keeps_the_newest_what_latest_points_to_and_what_is_withdrawn(three: Releases) -> None:
    three.rollback(1, who="ann", why="3 is bad")
    assert three.prune(1, who="ann", why="keep 1") == [2]
    assert three.versions() == [1, 3]
    assert history(three.folder)[-1] == ("prune", 2, 1)
    assert push(three, "model 2", "run-4").outcome == "rolled_back"


def test_a_pruned_number_is_not_given_again(three: Releases) -> None:
    three.rollback(1, who="ann", why="3 is bad")
    three.prune(1, who="ann", why="keep 1")
    three.rollback(3, who="ann", why="it is not")
    three.prune(1, who="ann", why="keep 1")
    assert three.versions() == [3]
    assert push(three, "model 4", "run-4").release.version == 4


def test_nothing_is_pruned_where_fewer_are_left(three: Releases) -> None:
    assert three.prune(3, who="ann", why="keep 3") == []


@pytest.mark.parametrize(
    ("name", "damage", "said"),
    [
        ("model.tflite", lambda _: "model X", "expected sha256 .* 7 bytes"),
        ("model.tflite", lambda _: None, "cannot be read: No such file"),
        ("labels.txt", lambda _: "1\n0\n", r"expected the manifest's labels \['0', '1'\]"),
        ("more.py", lambda _: "", "more.py"),
        ("manifest.json", lambda text: text.replace('"version": 3', '"version": 2'), "of version 3. Received: 2"),
        ("manifest.json", lambda text: text[:100], "not a release's manifest"),
    ],
)
def test_damage_is_one_sentence_that_names_the_file(
    three: Releases, name: str, damage: Callable[[str], str | None], said: str
) -> None:
    three.release(3).verify()
    file = three.folder / "3" / name
    left = damage(file.read_text() if file.exists() else "")
    if left is None:
        file.unlink()
    else:
        file.write_text(left)
    with pytest.raises(ReleaseError, match=said):
        three.release(3).verify()
    assert [three.release(version).version for version in (1, 2)] == [1, 2]


@pytest.mark.parametrize("name", ["03", "\u0663", "\u00b3", "0", "+3", "3\n"])
def test_a_version_has_one_name(three: Releases, name: str) -> None:
    """\u0663 is 3 in Arabic digits; `latest -> 03` would be read as 3 and followed to folder 03."""
    (three.folder / "3").rename(three.folder / name)
    assert three.versions() == [1, 2]
    (three.folder / "latest").unlink()
    (three.folder / "latest").symlink_to(name)
    with pytest.raises(ReleaseError, match="latest: expected a link to a version. Received: "):
        three.latest()


def test_a_latest_that_is_no_link_is_said(releases: Releases) -> None:
    (releases.folder / "latest").mkdir(parents=True)
    with pytest.raises(ReleaseError, match="expected a link to a version"):
        releases.latest()


@pytest.mark.parametrize("line", [b'{"action": "pu', b'{"action": "p\xffush"}', b"\xff"])
def test_a_broken_history_is_not_guessed_at(three: Releases, line: bytes) -> None:
    with (three.folder / "history.jsonl").open("ab") as file:
        file.write(line)
    with pytest.raises(ReleaseError, match=r"history.jsonl, line 4: not an event \(.*\)\. Received: .*(pu|xff)"):
        push(three, "model 4", "run-4")
    assert three.versions() == [1, 2, 3]


def test_a_reason_may_have_any_line_separator(three: Releases) -> None:
    three.rollback(1, who="ann", why="3 mistakes\u2028sevens\x85")
    assert three.history()[-1].why == "3 mistakes\u2028sevens\x85"


def test_an_export_is_a_whole_copy_and_never_overwrites(three: Releases, tmp_path: Path) -> None:
    destination = tmp_path / "app" / "assets"
    export(three.release(2), destination, Settings())
    assert (destination / "model.tflite").read_text() == "model 2"
    with pytest.raises(ReleaseError, match="does not exist yet"):
        export(three.release(3), destination, Settings())
    assert (destination / "model.tflite").read_text() == "model 2"
    assert files(destination.parent) == {"assets", *(f"assets/{name.name}" for name in destination.iterdir())}


def test_an_export_is_of_what_was_checked_whatever_a_writer_does_meanwhile(
    three: Releases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = Release.verify

    def then_swap(release: Release) -> None:
        check(release)
        (three.folder / "3" / "model.tflite").write_text("model X")

    monkeypatch.setattr(Release, "verify", then_swap)
    export(three.release(3), tmp_path / "app", Settings())
    assert (tmp_path / "app" / "model.tflite").read_text() == "model 3"
    with pytest.raises(ReleaseError, match=f"{three.folder}/3/model.tflite: expected sha256"):
        export(three.release(3), tmp_path / "again", Settings())
    assert not (tmp_path / "again").exists()


@pytest.mark.parametrize("name", ["4", "app/assets", "../releases/4"])
def test_nothing_is_exported_into_the_releases(three: Releases, name: str) -> None:
    with pytest.raises(ReleaseError, match="expected a folder outside the releases in .* Received: "):
        export(three.release(3), three.folder / name, Settings())
    assert three.versions() == [1, 2, 3] and not (three.folder / "app").exists()


def test_the_manifest_is_signed_last(releases: Releases, tmp_path: Path) -> None:
    (tmp_path / "model").write_text("model")
    seen: list[set[str]] = []

    def sign(folder: Path) -> None:
        seen.append(files(folder))
        (folder / "manifest.sig").write_text("signature")

    releases.push(tmp_path / "model", describe("run-1"), who="Pusher")
    assert releases.push(tmp_path / "model", describe("run-2"), who="Pusher", sign=sign).release.is_signed
    assert seen == [{"model.tflite", "labels.txt", "manifest.json"}]
    # The same file again: now that it is signed, there is nothing new in it.
    assert releases.push(tmp_path / "model", describe("run-3"), who="Pusher", sign=sign).outcome == "nothing_new"


def listed(releases: Releases) -> str:
    text = io.StringIO()
    Console(file=text, width=200).print(releases_tables.releases(releases))
    return text.getvalue()


def test_the_list_shows_what_a_rollback_bars_and_who_said_so(three: Releases) -> None:
    assert "ann" not in listed(three)
    three.rollback(1, who="ann", why="sevens [again]")
    rows = [line for line in listed(three).splitlines() if "99.00 %" in line]
    assert ["ann: sevens [again]" in row for row in rows] == [True, True, False]


def test_the_list_shows_the_first_version_of_the_app_that_understands_each(releases: Releases, tmp_path: Path) -> None:
    for number, least in enumerate((1, 12), start=1):
        (tmp_path / "model").write_text(f"model {number}")
        described = describe(f"run-{number}").model_copy(update={"least_app_version": least})
        releases.push(tmp_path / "model", described, who="Pusher")
    rows = [" ".join(line.split()) for line in listed(releases).splitlines()]
    assert any("bytes span least app manifest.sig barred" in row for row in rows)
    assert [row.partition("bytes")[0].split()[-2:] for row in rows if "99.00 %" in row] == [["12", "no"], ["1", "no"]]
