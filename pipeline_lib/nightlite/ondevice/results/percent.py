"""Shares for readers, written the same way everywhere."""


def percent(share: float, places: int = 2) -> str:
    """Return a share in [0, 1] as text, such as "98.80 %"."""
    return f"{share * 100:.{places}f} %"
