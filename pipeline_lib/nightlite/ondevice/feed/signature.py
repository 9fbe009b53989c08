"""Signatures in `latest.json.sig`: a line each, `<key id> <base64>`, by ECDSA on P-256 with SHA-256, in DER.

Java 11 and every Android can check that. The file holds the signatures of the new document and of the one before it,
and is replaced before the document is. So a reader that fetches the document and then this file finds a match.
"""

import base64
import binascii
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

SIGNATURE_FILE = "latest.json.sig"
_SHA256 = ec.ECDSA(hashes.SHA256())


@dataclass(frozen=True)
class Signature:
    """One line."""

    key_id: str
    der: bytes

    @property
    def line(self) -> str:
        return f"{self.key_id} {base64.b64encode(self.der).decode()}\n"


def key_id(key: ec.EllipticCurvePublicKey) -> str:
    """Return the name of a key: the start of its DER's sha256, 16 characters of hexadecimal."""
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()[:16]


def sign(content: bytes, key: ec.EllipticCurvePrivateKey) -> Signature:
    """Return the signature of a content."""
    return Signature(key_id(key.public_key()), key.sign(content, _SHA256))


def text(signatures: Iterable[Signature]) -> bytes:
    """Return the content of a signature file."""
    return "".join(signature.line for signature in signatures).encode()


def parse(content: bytes) -> list[Signature]:
    """Return the signatures of a file. A line that is none is left out, as a reader may not know its form."""
    found = []
    for line in content.decode("utf-8", "replace").splitlines():
        name, _, encoded = line.partition(" ")
        try:
            found.append(Signature(name, base64.b64decode(encoded, validate=True)))
        except binascii.Error:
            continue
    return found


def good(
    content: bytes, signatures: Iterable[Signature], keys: Mapping[str, ec.EllipticCurvePublicKey]
) -> list[Signature]:
    """Return those signatures of a content that one of the keys made.

    Args:
      keys: by their ids.
    """
    return [item for item in signatures if item.key_id in keys and _is_good(content, item, keys[item.key_id])]


def _is_good(content: bytes, signature: Signature, key: ec.EllipticCurvePublicKey) -> bool:
    try:
        key.verify(signature.der, content, _SHA256)
    except InvalidSignature:
        return False
    return True
