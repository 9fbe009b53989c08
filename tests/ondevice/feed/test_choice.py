"""A phone's choice among the offers."""

import hashlib

import pytest

from nightlite.ondevice.feed import choice
from nightlite.ondevice.feed.document import Document, FeedFile, Offer
from tests.ondevice.feed.made_feed import NOON

FILE = FeedFile(sha256="a" * 64, size=1, url=f"files/{'a' * 64}.1.labels.txt")


def offer(version: int, permille: int = 1000, app: int = 1, runtime: str = "") -> Offer:
    return Offer(
        **dict(FILE),
        version=version,
        golden=None,
        labels=FILE,
        manifest=FILE,
        least_app_version=app,
        least_runtime_version=runtime,
        share_permille=permille,
    )


def chosen(*offers: Offer, app: int = 1, runtime: str = "2.17.0", installation: str = "phone") -> int | None:
    document = Document(
        model="tiny", channel="stable", sequence=1, issued=NOON, expires=NOON, key_id="", offers=tuple(offers)
    )
    found = choice.chosen(document, installation=installation, app_version=app, runtime_version=runtime)
    return found.version if found else None


def test_it_is_the_first_that_fits() -> None:
    assert chosen(offer(8), offer(7)) == 8
    assert chosen(offer(8, app=2), offer(7)) == 7
    assert chosen(offer(8, permille=0), offer(7)) == 7
    assert chosen(offer(8, app=2)) is None
    assert chosen() is None


@pytest.mark.parametrize(
    ("runtime", "least", "fits"),
    [
        ("2.9", "2.17", False),
        ("2.17", "2.9", True),
        ("2.17.0", "2.17", True),
        ("litert", "2.99", True),
        ("2.9", "", True),
    ],
)
def test_runtimes_are_compared_number_by_number(runtime: str, least: str, fits: bool) -> None:
    assert chosen(offer(8, runtime=least), runtime=runtime) == (8 if fits else None)


def test_the_bucket_is_what_docs_feed_md_says() -> None:
    digest = hashlib.sha256(b"phone:8").hexdigest()
    assert choice.bucket("phone", 8) == int(digest[:16], 16) % 1000 == 184


def test_a_share_grows_and_no_one_falls_out() -> None:
    phones = [f"phone-{number}" for number in range(2000)]
    inside: set[str] = set()
    for permille in (0, 10, 100, 500, 1000):
        now = {phone for phone in phones if chosen(offer(8, permille), installation=phone) == 8}
        assert inside <= now
        assert abs(len(now) - 2 * permille) < 100
        inside = now


def test_another_release_begins_with_other_phones() -> None:
    phones = [f"phone-{number}" for number in range(2000)]
    first, second = ({phone for phone in phones if choice.bucket(phone, version) < 100} for version in (8, 9))
    assert len(first & second) < 50
