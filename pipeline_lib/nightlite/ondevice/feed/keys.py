"""Keys of the feeds of all models: a folder with a current pair, which signs, and a next pair, which waits.

keys.json          the ids of the current and of the next key, and when they were rotated; replaced whole
ID.pem             a private key. The next one's may be kept elsewhere until it is needed
ID.pub.pem         its public key. It stays after the private one is gone
app-keys.pem       the two public keys that an app ships, the current one first
N.root.json        TUF's roots, one more with each rotation; an app with a TUF client ships the newest
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import BaseModel, ConfigDict, ValidationError

from nightlite import durable
from nightlite.errors import FeedError
from nightlite.locks import lock
from nightlite.ondevice.feed.signature import key_id
from nightlite.ondevice.folders import FEED_KEYS_FILE

APP_KEYS_FILE = "app-keys.pem"
_PRIVATE = 0o600
# Apps of before a rotation are locked out by the one after it. An app's update needs weeks to come to most phones.
REST = timedelta(days=30)


class _State(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    current: str
    next: str
    root: int
    rotated: datetime | None = None


@dataclass(frozen=True)
class FeedKeys:
    """The keys in one folder.

    Attributes:
      current: id of the key that signs.
      next: id of the key that signs after a rotation.
      root: number of TUF's newest root.
      rotated: time of the last rotation, or None if there was none.
    """

    folder: Path
    current: str
    next: str
    root: int
    rotated: datetime | None = None

    @property
    def app_keys(self) -> Path:
        """Return the file of the two public keys that an app ships."""
        return self.folder / APP_KEYS_FILE

    def public(self, name: str) -> ec.EllipticCurvePublicKey:
        """Return a public key."""
        return public_keys(_content(self.folder / f"{name}.pub.pem"))[name]

    @property
    def newest_root(self) -> Path:
        """Return the file of TUF's newest root, which an app with a TUF client ships."""
        return _root_file(self.folder, self.root)

    def roots(self) -> dict[int, bytes]:
        """Return TUF's roots by their numbers."""
        return {number: _content(_root_file(self.folder, number)) for number in range(1, self.root + 1)}

    def known(self) -> dict[str, ec.EllipticCurvePublicKey]:
        """Return every public key that there ever was, by its id."""
        files = (_content(path) for path in sorted(self.folder.glob("*.pub.pem")))
        return {name: key for content in files for name, key in public_keys(content).items()}

    def private(self, name: str) -> ec.EllipticCurvePrivateKey:
        """Return a private key.

        Raises:
          FeedError: it is not there, or is not a key of that id.
        """
        path = self.folder / f"{name}.pem"
        content = _content(path)
        try:
            key = serialization.load_pem_private_key(content, password=None)
        except (TypeError, ValueError) as error:
            raise FeedError(f"{path}: expected a private key without a password. Received: {error}") from None
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key_id(key.public_key()) != name:
            raise FeedError(
                f"{path}: expected the key with the id {name}. Received: another key; restore it from a backup"
            )
        return key


def exist(folder: Path) -> bool:
    """Return whether there are keys, and so feeds."""
    return (folder / FEED_KEYS_FILE).exists()


def read(folder: Path) -> FeedKeys:
    """Return the keys of a folder.

    Raises:
      FeedError: there are none, or they cannot be read.
    """
    path = folder / FEED_KEYS_FILE
    if not exist(folder):
        raise FeedError(f"expected the feed's keys in {folder}. Received: none; make them with 'nightlite feed keys'")
    try:
        state = _State.model_validate_json(_content(path))
    except ValidationError as error:
        raise FeedError(
            f"{path}: expected the ids of two keys. Received: {error.errors()[0]['msg']}; restore it from a backup"
        ) from None
    return FeedKeys(folder, state.current, state.next, state.root, state.rotated)


def make(folder: Path) -> FeedKeys:
    """Make two pairs of keys, unless there are some. Return what there is then.

    Raises:
      FeedError: the folder cannot be written.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with lock(folder, waiting_for="another command that makes keys"):
            if not exist(folder):
                _write(folder, FeedKeys(folder, _new_pair(folder), _new_pair(folder), root=1))
            keys = read(folder)
            _write_app_keys(keys)
    except OSError as error:
        raise FeedError(f"{folder}: the keys cannot be written: {error.strerror or error}") from None
    return keys


def rotate(folder: Path, *, again: bool = False) -> FeedKeys:
    """Make the next key the current one, and make a new next one. Return the keys as they are then.

    The old private key is removed, because no one needs it any longer. The first rotation locks out no app: each has
    the next key.

    Args:
      again: also where the last rotation was less than `REST` ago.

    Raises:
      FeedError: there are no keys, the last rotation is too new, the next private key is elsewhere, or the folder
        cannot be written.
    """
    old = read(folder)
    try:
        with lock(folder, waiting_for="another command that makes keys"):
            old, now = read(folder), datetime.now(UTC)
            if not again:
                _require_rest(old, now)
            signer = old.private(old.next)
            keys = FeedKeys(folder, old.next, _new_pair(folder), old.root + 1, now.replace(microsecond=0))
            _write(folder, keys, signer)
            _write_app_keys(keys)
            (folder / f"{old.current}.pem").unlink(missing_ok=True)
    except OSError as error:
        raise FeedError(f"{folder}: the keys cannot be written: {error.strerror or error}") from None
    return keys


def _require_rest(keys: FeedKeys, now: datetime) -> None:
    if keys.rotated and now - keys.rotated < REST:
        raise FeedError(
            f"expected {REST.days} days since the last rotation. Received: one of {keys.rotated:%Y-%m-%d %H:%M} UTC; "
            "another locks out every app that does not ship the keys of that one: it gets no new file until the app is "
            "updated. For a stolen or lost key: --again"
        )


def public_keys(pem: bytes) -> dict[str, ec.EllipticCurvePublicKey]:
    """Return the keys of a PEM file by their ids, in its order.

    Raises:
      FeedError: it holds something else.
    """
    end = b"-----END PUBLIC KEY-----"
    found = {}
    for part in pem.split(end)[:-1]:
        try:
            key = serialization.load_pem_public_key(part.strip() + b"\n" + end + b"\n")
        except ValueError as error:
            raise FeedError(f"expected public keys in PEM. Received: {error}") from None
        if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
            raise FeedError(f"expected a public key on P-256. Received: {type(key).__name__}")
        found[key_id(key)] = key
    if not found:
        raise FeedError("expected public keys in PEM. Received: none")
    return found


def pem_of(key: ec.EllipticCurvePublicKey) -> bytes:
    """Return a public key as PEM."""
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def _new_pair(folder: Path) -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    name = key_id(key.public_key())
    durable.write(folder / f"{name}.pub.pem", pem_of(key.public_key()))
    durable.write(folder / f"{name}.pem", private, mode=_PRIVATE)
    return name


def _write(folder: Path, keys: FeedKeys, *signers: ec.EllipticCurvePrivateKey) -> None:
    """Write the root of these keys, and last their state, which names it.

    Args:
      signers: besides the next key, the one that the root before named for this root.
    """
    from nightlite.ondevice.feed.tuf_root import root  # most readers of keys make none

    content = root(
        keys.root,
        current=keys.public(keys.current),
        following=keys.public(keys.next),
        signers=[*signers, keys.private(keys.next)],
        now=datetime.now(UTC),
    )
    durable.write(_root_file(folder, keys.root), content)
    state = _State(current=keys.current, next=keys.next, root=keys.root, rotated=keys.rotated).model_dump_json(indent=1)
    durable.write(folder / FEED_KEYS_FILE, f"{state}\n".encode())


def _root_file(folder: Path, number: int) -> Path:
    return folder / f"{number}.root.json"


def _write_app_keys(keys: FeedKeys) -> None:
    durable.write(keys.app_keys, b"".join(pem_of(keys.public(name)) for name in (keys.current, keys.next)))


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise FeedError(f"{path}: expected a key of the feed. Received: {error.strerror}; put it back") from None
