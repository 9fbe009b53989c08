"""Signed releases, checked by our reader and by OpenSSF's own command."""

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from models.mnist.on_device import MODEL
from models.mnist.predict.recognition import Recogniser
from nightlite.deployment.settings import Settings
from nightlite.errors import ReleaseError
from nightlite.ondevice.releases import signing
from nightlite.ondevice.releases.release import Release
from nightlite.ondevice.releases.store import Releases
from tests.ondevice.releases.made_releases import describe, push


def make_keys(folder: Path, name: str) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    private, public = folder / f"{name}.pem", folder / f"{name}.pub.pem"
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
    )
    public.write_bytes(
        key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return private, public


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    return make_keys(tmp_path, "ours")


@pytest.fixture
def signed(tmp_path: Path, keys: tuple[Path, Path]) -> Release:
    (tmp_path / "model").write_text("model")
    releases = Releases(tmp_path / "pushed")
    return releases.push(
        tmp_path / "model", describe("r"), who="Pusher", sign=lambda folder: signing.sign(folder, keys[0])
    ).release


def test_a_good_signature_is_good_for_who_has_the_public_key(signed: Release, keys: tuple[Path, Path]) -> None:
    private, public = keys
    assert signing.verify(signed, Settings(verifying_key=public)) == "signed, and the signature is good"
    assert "not checked" in signing.verify(signed, Settings(signing_key=private))


def test_openssfs_own_command_accepts_it(signed: Release, keys: tuple[Path, Path]) -> None:
    command = [sys.executable, "-m", "model_signing", "verify", "key", str(signed.folder)]
    command += ["--signature", str(signed.folder / "manifest.sig"), "--public_key", str(keys[1])]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["model.tflite", "labels.txt", "manifest.json", "another"])
def test_a_file_that_was_changed_or_added_is_found(signed: Release, keys: tuple[Path, Path], name: str) -> None:
    with (signed.folder / name).open("a") as file:
        file.write(" ")
    with pytest.raises(ReleaseError, match=f"(?s){name}.*Do not use this release"):
        signing.verify(signed, Settings(verifying_key=keys[1]))


def test_a_file_that_is_exchanged_while_it_is_checked_is_not_used(
    tmp_path: Path, keys: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A whole release of another file is there while that is read, the signed one while its signature is checked."""
    settings = Settings(var_dir=tmp_path, verifying_key=keys[1])
    (tmp_path / "model").write_text("model")
    folder = (
        Releases(settings.folders(MODEL.name).releases)
        .push(tmp_path / "model", describe("r"), who="Pusher", sign=lambda folder: signing.sign(folder, keys[0]))
        .release.folder
    )
    signed = {name: (folder / name).read_bytes() for name in ("model.tflite", "manifest.json")}
    (folder / "model.tflite").write_bytes(b"MODEL")
    sums = [hashlib.sha256(content).hexdigest().encode() for content in (b"model", b"MODEL")]
    (folder / "manifest.json").write_bytes(signed["manifest.json"].replace(*sums))
    read = Release.model

    def then_restore(release: Release) -> bytes:
        content = read(release)
        for name, good in signed.items():
            (folder / name).write_bytes(good)
        return content

    monkeypatch.setattr(Release, "model", then_restore)
    for version in (1, None):
        (folder / "model.tflite").write_bytes(b"MODEL")
        (folder / "manifest.json").write_bytes(signed["manifest.json"].replace(*sums))
        with pytest.raises(ReleaseError, match=f"{folder}/manifest.sig: "):
            Recogniser(settings, version)


def test_someone_elses_signature_is_refused(signed: Release, tmp_path: Path) -> None:
    _, other = make_keys(tmp_path, "theirs")
    with pytest.raises(ReleaseError, match="[Dd]o not use this release"):
        signing.verify(signed, Settings(verifying_key=other))


def test_a_file_that_is_no_signature_is_refused(signed: Release, keys: tuple[Path, Path]) -> None:
    (signed.folder / "manifest.sig").write_text("{}")
    with pytest.raises(ReleaseError, match="[Dd]o not use this release"):
        signing.verify(signed, Settings(verifying_key=keys[1]))


def test_without_a_key_nothing_is_signed_and_it_says_so_and_with_one_it_is_refused(
    tmp_path: Path, keys: tuple[Path, Path]
) -> None:
    unsigned = push(Releases(tmp_path / "pushed"), "model", "r").release
    assert signing.verify(unsigned, Settings()) == "not signed: NIGHTLITE_SIGNING_KEY names no key"
    with pytest.raises(ReleaseError, match="release 1 is not signed"):
        signing.verify(unsigned, Settings(verifying_key=keys[1]))


def test_a_key_that_cannot_sign_leaves_no_release(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("no key")
    (tmp_path / "model").write_text("model")
    releases = Releases(tmp_path / "pushed")
    for key in (tmp_path / "key", tmp_path / "nowhere"):
        with pytest.raises(ReleaseError, match="NIGHTLITE_SIGNING_KEY: .* cannot sign"):
            releases.push(
                tmp_path / "model", describe("r"), who="P", sign=lambda folder, key=key: signing.sign(folder, key)
            )
    assert (releases.versions(), releases.latest(), releases.history()) == ([], None, [])
