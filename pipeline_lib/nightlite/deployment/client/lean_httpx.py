"""httpx without its own command line, whose import of click and pygments takes longer than all else of it.

httpx does without where it is installed without its extra `cli`, and Airflow brings what that extra needs.
"""

import sys

if "httpx" in sys.modules:
    import httpx
else:
    sys.modules["httpx._main"] = None  # type: ignore[assignment]
    import httpx

    del sys.modules["httpx._main"]

__all__ = ["httpx"]
