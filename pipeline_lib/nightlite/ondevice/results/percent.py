"""Figures for readers, written the same way everywhere."""


def percent(share: float, places: int = 2) -> str:
    """Return a share in [0, 1] as text, such as "98.80 %"."""
    return f"{share * 100:.{places}f} %"


def share_of(share: float | None, places: int = 2) -> str:
    """Return a share as `percent` does, or "n/a"."""
    return "n/a" if share is None else percent(share, places)


def points(difference: float) -> str:
    """Return a difference of shares as text, such as "-0.25 points"."""
    return f"{100 * difference:+.2f} points"


def figure(value: float | None, unit: str = "") -> str:
    """Return a number: four significant digits, with thousands separators."""
    if value is None:
        return "n/a"
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return f"{text} {unit}".rstrip()


def size(count: int | None) -> str:
    """Return a number of bytes as text, such as "212,544 bytes"."""
    return "n/a" if count is None else f"{count:,} bytes"
