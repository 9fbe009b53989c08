"""The form of the setting MNIST_LITE_METADATA_URL, checked without a database."""

from urllib.parse import urlsplit

_FORM = "expected sqlite:////folder/file or mysql://user:password@host[:port]/database"


def metadata_url_fault(url: str) -> str | None:
    """Return why ML Metadata cannot be kept there, or None. The sentence never holds a password."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises where it is no number
    except ValueError:
        return _FORM
    scheme = parts.scheme.split("+")[0]
    if scheme in ("postgres", "postgresql"):
        return (
            "PostgreSQL is refused, because with this ml-metadata it mixes up cached artifacts; use mysql://… (MySQL "
            "or MariaDB) or sqlite:///…. Airflow's own database may be PostgreSQL"
        )
    if scheme == "sqlite":
        return None if parts.path.strip("/") and parts.path.startswith("/") else f"{_FORM}. Missing: an absolute path"
    if scheme not in ("mysql", "mariadb"):
        return _FORM
    needed = [("host", parts.hostname), ("user", parts.username), ("database", parts.path.strip("/"))]
    missing = [name for name, value in needed if not value]
    return f"{_FORM}. Missing: {', '.join(missing)}" if missing else None
