"""TUF's root of the feeds: which key signs what.

The current key signs everything but the root, which the next key signs. So a stolen current key changes no root, and a
lost one is replaced: the next key signs the root that makes it the current one.
"""

from collections.abc import Collection
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.asymmetric import ec
from securesystemslib.signer import CryptoSigner, SSlibKey
from tuf.api.metadata import Metadata, Root

_ONLINE = ("targets", "snapshot", "timestamp")
# Only a rotation renews it, because the next key may be elsewhere. A client checks only the newest one's.
_ROOT_IS_VALID_FOR = timedelta(days=3650)


def root(
    version: int,
    *,
    current: ec.EllipticCurvePublicKey,
    signers: Collection[ec.EllipticCurvePrivateKey],
    following: ec.EllipticCurvePublicKey,
    now: datetime,
) -> bytes:
    """Return a root: the following key's for the next root, the current key's for all else.

    Args:
      signers: the private key of `following`, and of the key that the root before named for this one.
    """
    signed = Root(version=version, expires=(now + _ROOT_IS_VALID_FOR).replace(microsecond=0), consistent_snapshot=True)
    for role in _ONLINE:
        signed.add_key(SSlibKey.from_crypto(current), role)
    signed.add_key(SSlibKey.from_crypto(following), "root")
    metadata = Metadata(signed)
    for key in signers:
        metadata.sign(CryptoSigner(key), append=True)
    return metadata.to_bytes()
