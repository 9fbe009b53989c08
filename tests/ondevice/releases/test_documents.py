"""Files of a release that its manifest lists: golden examples and the model card."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from pydantic import ValidationError

from nightlite.errors import ReleaseError
from nightlite.ondevice.contract.golden import GOLDEN_FILE, Golden, GoldenExample
from nightlite.ondevice.releases.checked import export
from nightlite.ondevice.releases.manifest import CARD_FILE, Manifest
from nightlite.ondevice.releases.release import Release
from nightlite.ondevice.releases.store import Releases
from nightlite.ondevice.settings import Settings
from tests.ondevice.releases.made_releases import describe


def golden_of(sha256: str) -> bytes:
    example = GoldenExample(label="1", inputs={"image_floats": (0.5, None)}, outputs={"probabilities": (0.1, 0.9)})
    return Golden(sha256=sha256, tolerance=1e-5, examples=(example,)).model_dump_json().encode()


def documents(manifest: Manifest) -> Mapping[str, bytes]:
    return {GOLDEN_FILE: golden_of(manifest.sha256), CARD_FILE: f"# Release {manifest.version}\n".encode()}


@pytest.fixture
def release(tmp_path: Path) -> Release:
    (tmp_path / "model").write_text("model")
    releases = Releases(tmp_path / "releases")
    pushed = releases.push(tmp_path / "model", describe("run-1"), who="Pusher", documents=documents).release
    assert pushed == releases.latest()
    return pushed


def test_a_release_has_them_and_its_manifest_has_their_sums(release: Release) -> None:
    release.verify()
    assert set(release.manifest.files) == {GOLDEN_FILE, CARD_FILE}
    assert (release.folder / CARD_FILE).read_text() == "# Release 1\n"
    golden = release.golden()
    assert golden and golden.sha256 == release.manifest.sha256 and golden.examples[0].inputs["image_floats"][1] is None


def test_an_export_carries_them(release: Release, tmp_path: Path) -> None:
    export(release, tmp_path / "app", Settings())
    for name in release.manifest.files:
        assert (tmp_path / "app" / name).read_bytes() == (release.folder / name).read_bytes()


@pytest.mark.parametrize("name", [GOLDEN_FILE, CARD_FILE])
@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda path: path.write_bytes(path.read_bytes().replace(b"1", b"2")), "expected sha256 .* Do not use"),
        (lambda path: path.unlink(), "cannot be read: No such file"),
    ],
)
def test_a_changed_or_missing_one_is_refused(
    release: Release, name: str, damage: Callable[[Path], object], said: str
) -> None:
    damage(release.folder / name)
    with pytest.raises(ReleaseError, match=f"{name}: .*{said}"):
        release.verify()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (golden_of("0" * 64), f"expected the examples of this release's file, .* Received: those of {'0' * 64}"),
        (b"{}", r"not golden examples \(Field required\)"),
    ],
)
def test_golden_examples_of_another_file_are_refused(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "model").write_text("model")
    releases = Releases(tmp_path / "releases")
    with pytest.raises(ReleaseError, match=f"{GOLDEN_FILE}: {said}"):
        releases.push(
            tmp_path / "model", describe("run-1"), who="Pusher", documents=lambda manifest: {GOLDEN_FILE: content}
        )
    assert releases.versions() == []


def test_an_older_release_without_them_stays_valid_and_cannot_get_one(tmp_path: Path) -> None:
    (tmp_path / "model").write_text("model")
    old = Releases(tmp_path / "releases").push(tmp_path / "model", describe("run-1"), who="Pusher").release
    manifest = old.folder / "manifest.json"
    manifest.write_text(manifest.read_text().replace(',\n "files": {}', ""))
    assert "files" not in manifest.read_text()
    old = Release.read(old.folder)
    old.verify()
    assert (old.manifest.files, old.golden()) == ({}, None)
    (old.folder / GOLDEN_FILE).write_bytes(golden_of(old.manifest.sha256))
    with pytest.raises(ReleaseError, match="Received also"):
        old.verify()


def test_a_manifest_names_no_file_elsewhere(release: Release) -> None:
    for name in ("../evil.md", "a/b.md", "/tmp/x.md", ".hidden"):
        with pytest.raises(ValidationError):
            Manifest.model_validate({**release.manifest.model_dump(), "files": {name: "0" * 64}})
