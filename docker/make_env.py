"""Write the secrets that docker-compose.yml needs to a private file: make_env.py [FILE]     (default: .env)

Existing lines are never changed, because a new password in .env would not be the one in the database. Missing
secrets are added. Standard library only, so it runs on any host.
"""

import base64
import os
import re
import secrets
import sys
from collections.abc import Callable
from pathlib import Path

HEAD = "# Secrets of one deployment: back this file up, and keep it private. Settings: see settings.env.example.\n"


def password() -> str:
    """Return 192 random bits in characters that need no quoting in URLs, shells or .env files."""
    return secrets.token_urlsafe(24)


def fernet_key() -> str:
    """Return 32 random bytes in URL-safe base64 (github.com/fernet/spec)."""
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


SECRETS: dict[str, Callable[[], str]] = {
    "AIRFLOW_DB_PASSWORD": password,
    "METADATA_DB_PASSWORD": password,
    "REDIS_PASSWORD": password,
    "AIRFLOW_FERNET_KEY": fernet_key,
    "AIRFLOW_API_SECRET_KEY": lambda: secrets.token_urlsafe(32),
    "AIRFLOW_JWT_SECRET": lambda: secrets.token_urlsafe(64),
    "NIGHTLITE_ADMIN_PASSWORD": password,
    "NIGHTLITE_OPERATOR_PASSWORD": password,
    "NIGHTLITE_VIEWER_PASSWORD": password,
}


# As in Compose, only a quoted value may span several lines.
_ASSIGNMENT = re.compile(
    r"""^\ufeff?[ \t]*(?:export[ \t]+)?(\w+)[ \t]*[=:][ \t]*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^\n]*)""",
    flags=re.MULTILINE | re.DOTALL,
)


def read(text: str) -> dict[str, str]:
    """Return what the file assigns, as it is written there; of two lines for one name the last counts, as for Compose.

    Raises:
      ValueError: a quote is not closed, so that whatever came after it would be a part of that value.
    """
    values = {name: value.strip() for name, value in _ASSIGNMENT.findall(text)}
    for name, value in values.items():
        if value[:1] in ("'", '"') and (len(value) == 1 or value[-1] != value[0]):
            raise ValueError(f"{name}: expected a closing {value[0]}. Received: none; nothing was changed")
    return values


def complete(text: str) -> tuple[str, list[str]]:
    """Return `text` with its missing secrets added, and the names of those.

    Raises:
      ValueError: it is no file of variables.
    """
    there = {name for name, value in read(text).items() if value not in ("", "''", '""')}
    missing = [name for name in SECRETS if name not in there]
    if not missing:
        return text, []
    start = text if not text or text.endswith("\n") else f"{text}\n"
    return (start or HEAD) + "".join(f"{name}={SECRETS[name]()}\n" for name in missing), missing


def write_private(path: Path, text: str) -> None:
    """Write a 0600 file, whole or not at all."""
    partial = path.with_name(f"{path.name}.partial-{os.getpid()}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def main(path: Path) -> int:
    # Bytes of any kind and line endings are kept.
    before = path.read_bytes().decode("utf-8", errors="surrogateescape") if path.exists() else ""
    text, added = complete(before)
    if added:
        write_private(path, text)
    path.chmod(0o600)
    print(f"{path}: {'wrote ' + ', '.join(added) if added else 'complete already, nothing changed'}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else ".env")))
    except OSError as error:
        sys.exit(f"make env: {error.filename}: {error.strerror}")
    except ValueError as error:
        sys.exit(f"make env: {error}")
