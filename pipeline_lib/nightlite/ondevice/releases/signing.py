"""Signatures over a release: OpenSSF Model Signing with an elliptic curve key, in `manifest.sig`.

The signature covers every file of the version's folder. It is a Sigstore bundle, so the standard tool checks it
too: `model_signing verify key VERSION/ --signature VERSION/manifest.sig --public_key KEY`. A pair of keys:

    openssl ecparam -name prime256v1 -genkey -noout -out signing.pem
    openssl ec -in signing.pem -pubout -out verifying.pem
"""

from pathlib import Path

from nightlite.errors import ReleaseError
from nightlite.ondevice.releases.manifest import SIGNATURE_FILE
from nightlite.ondevice.releases.release import Release
from nightlite.ondevice.settings import Settings


def sign(folder: Path, key: Path) -> None:
    """Sign a complete version folder.

    Args:
      folder: receives `manifest.sig`.
      key: PEM, a private key on P-256, P-384 or P-521, without a password.

    Raises:
      ReleaseError: the key cannot be used.
    """
    from model_signing import hashing, signing

    ignored = hashing.Config().set_ignored_paths(paths=[SIGNATURE_FILE], ignore_git_paths=False)
    try:
        config = signing.Config().use_elliptic_key_signer(private_key=key).set_hashing_config(ignored)
        config.sign(folder, folder / SIGNATURE_FILE)
    except (OSError, TypeError, ValueError) as error:
        raise ReleaseError(f"NIGHTLITE_SIGNING_KEY: {key} cannot sign: {error}") from None


def verify(release: Release, settings: Settings) -> str:
    """Check a release's signature, if the settings have a verifying key.

    Returns:
      The result, in words.

    Raises:
      ReleaseError: there is a key, and the release is unsigned, signed by another key, or changed since.
    """
    if not settings.verifying_key:
        if release.is_signed:
            return "signed, but not checked: NIGHTLITE_VERIFYING_KEY names no public key"
        return "not signed: NIGHTLITE_SIGNING_KEY names no key"
    path = release.folder / SIGNATURE_FILE
    if not release.is_signed:
        raise ReleaseError(f"release {release.version} is not signed: expected {path}. Received: no such file")
    _verify(release.folder, path, settings.verifying_key)
    return "signed, and the signature is good"


def _verify(folder: Path, signature: Path, key: Path) -> None:
    from cryptography.exceptions import InvalidSignature
    from model_signing import hashing, verifying

    # Ignore only the signature itself, not the paths that it lists as ignored.
    ignored = hashing.Config().set_ignored_paths(paths=[SIGNATURE_FILE], ignore_git_paths=False)
    try:
        config = verifying.Config().use_elliptic_key_verifier(public_key=key).set_hashing_config(ignored)
        config.verify(folder, signature)
    except InvalidSignature:
        raise ReleaseError(f"{signature}: not a signature by the key in {key}: do not use this release") from None
    except (KeyError, OSError, TypeError, ValueError) as error:
        raise ReleaseError(f"{signature}: {str(error).strip()} Do not use this release") from None
