"""Mark of tests that need what not every machine has for a browser."""

import os

import pytest

# Set by .ci/run, where such a test fails instead of being skipped.
REQUIRED = "NIGHTLITE_TEST_BROWSER"


def needs(missing: str | None, subject: str) -> pytest.MarkDecorator:
    """Return a mark that skips a test where something is missing, with the reason.

    Args:
      missing: what to install, None if nothing.
      subject: of the test, for the reason.
    """
    skipped = bool(missing) and not os.environ.get(REQUIRED)
    return pytest.mark.skipif(skipped, reason=f"NOT TESTED: {subject}. {missing}")
