"""A phone's life: releases, stages, a halt, rotated keys, a damaged disk. Each with both clients."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from nightlite.ondevice.feed import keys
from nightlite.ondevice.feed.choice import bucket
from nightlite.ondevice.rollout.plan import Plan
from tests.ondevice.feed_client import server as answers
from tests.ondevice.feed_client.phones import Asked, JavaPhone, Phone, at
from tests.ondevice.feed_client.publisher import Publisher
from tests.ondevice.feed_client.server import Served


def in_first_tenth(wanted: bool) -> str:
    """Return an installation that is among the first 10 % of both releases 2 and 3, or of neither."""
    return next(name for name in map(str, range(10_000)) if all((bucket(name, v) < 100) is wanted for v in (2, 3)))


def test_asking_for_something_new_costs_one_request_without_content(server: Served, asked: Asked, phone: Phone) -> None:
    phone.update(asked)
    server.asked.clear()
    assert phone.update(asked).text.startswith("nothing new since release 1")
    assert server.asked == [("/stable/latest.json", 304)]


def test_an_address_needs_no_slash_at_its_end(asked: Asked, phone: Phone) -> None:
    assert phone.update(at(asked, url=asked.url.rstrip("/"))).text == "release 1, 4 bytes, golden 10 of 10"
    assert phone.update(at(asked, url=f"{asked.url.rstrip('/')}/")).text.startswith("nothing new since release 1")


def test_a_renewed_document_costs_no_file(feed: Publisher, server: Served, asked: Asked, phone: Phone) -> None:
    phone.update(asked)
    feed.publish()
    server.asked.clear()
    assert phone.update(asked).text.startswith("nothing new since release 1")
    assert server.asked == [("/stable/latest.json", 200), ("/stable/latest.json.sig", 200)]


def test_a_failed_download_is_done_again_though_the_document_is_the_same(
    feed: Publisher, server: Served, asked: Asked, phone: Phone
) -> None:
    url = f"/{feed.document()['offers'][0]['url']}"
    server.answers[url] = answers.content(b"", 500)
    assert phone.update(asked).kind == "failed"
    server.answers.clear()
    assert phone.update(asked).text == "release 1, 4 bytes, golden 10 of 10"


@dataclass(frozen=True)
class Fleet:
    """Two phones: `early` is in the first 10 % of releases 2 and 3, `late` is not."""

    feed: Publisher
    server: Served
    asked: dict[str, Asked]
    phones: dict[str, Phone]

    def files(self) -> dict[str, bytes | None]:
        """Update both phones, first from a server that sends other files. Return what each uses then."""
        for path in (self.feed.folder / "files").glob("*.tflite"):
            self.server.answers[f"/files/{path.name}"] = answers.content(b"6.66")
        before = {name: phone.file() for name, phone in self.phones.items()}
        for name, phone in self.phones.items():
            happened = phone.update(self.asked[name])
            assert happened.kind == "refused" or "nothing new" in happened.text
        assert {name: phone.file() for name, phone in self.phones.items()} == before
        self.server.answers.clear()
        assert {phone.update(self.asked[name]).kind for name, phone in self.phones.items()} == {"done"}
        return {name: phone.file() for name, phone in self.phones.items()}


def test_phones_go_through_a_staged_release_its_halt_a_rollback_and_a_rotation(
    feed: Publisher, server: Served, asked: Asked, phone: Phone, tmp_path: Path
) -> None:
    installations = {"early": in_first_tenth(True), "late": in_first_tenth(False)}
    each = {name: at(asked, installation=installation) for name, installation in installations.items()}
    phones = {"early": phone, "late": replace(phone, folder=tmp_path / "another")}
    fleet = Fleet(feed, server, each, phones)
    who = {"who": "a test", "why": "3 is too much"}
    assert fleet.files() == {"early": b"2.00", "late": b"2.00"}

    feed.release_factor("3.00", plan=Plan((100,)))
    feed.publish()
    assert fleet.files() == {"early": b"3.00", "late": b"2.00"}
    feed.releases.halt(2, **who)
    feed.publish()
    assert fleet.files() == {"early": b"2.00", "late": b"2.00"}

    feed.release_factor("4.00", plan=Plan((100,)))
    feed.publish()
    assert fleet.files() == {"early": b"4.00", "late": b"2.00"}
    feed.releases.roll_out(3, 1000, **who)
    feed.publish()
    assert fleet.files() == {"early": b"4.00", "late": b"4.00"}
    feed.releases.rollback(1, **who)
    feed.publish()
    assert fleet.files() == {"early": b"2.00", "late": b"2.00"}

    keys.rotate(feed.settings.feed_keys_dir)
    feed.release_factor("5.00")
    feed.publish()
    assert fleet.files() == {"early": b"5.00", "late": b"5.00"}


def test_an_old_key_is_worth_nothing_after_a_rotation(feed: Publisher, asked: Asked, phone: Phone) -> None:
    stolen = feed.keys.private(feed.keys.current)
    phone.update(asked)
    keys.rotate(feed.settings.feed_keys_dir)
    feed.publish()
    assert phone.update(asked).kind == "done"
    document = feed.document()
    feed.release_factor("3.00")
    feed.publish()
    feed.put({**feed.document(), "key_id": next(iter(asked.keys)), "sequence": document["sequence"] + 10**6}, stolen)
    happened = phone.update(asked)
    assert (happened.kind, phone.file()) == ("refused", b"2.00")
    assert "a signature by the key that was rotated to" in happened.text


def test_a_high_sequence_by_the_old_key_bars_nothing_by_the_new_one(
    feed: Publisher, asked: Asked, phone: Phone
) -> None:
    feed.put({**feed.document(), "sequence": 2**50})
    phone.update(asked)
    (feed.folder / "stable" / "latest.json").unlink()
    keys.rotate(feed.settings.feed_keys_dir)
    feed.release_factor("3.00")
    feed.publish()
    assert (phone.update(asked).kind, phone.file()) == ("done", b"3.00")


def test_two_rotations_need_a_newer_app(feed: Publisher, asked: Asked, phone: Phone) -> None:
    phone.update(asked)
    for _ in range(2):
        keys.rotate(feed.settings.feed_keys_dir, again=True)
    feed.publish()
    happened = phone.update(asked)
    assert (happened.kind, phone.file()) == ("refused", b"2.00") and "after two rotations" in happened.text
    assert phone.update(at(asked, keys=feed.app_keys)).kind == "done"


def test_two_releases_between_a_phones_two_requests_are_no_forgery(
    feed: Publisher, server: Served, asked: Asked, phone: Phone
) -> None:
    def publish_twice(handler: answers.Handler) -> None:
        del server.answers["/stable/latest.json.sig"]
        feed.publish()
        feed.publish()
        handler.file()

    server.answers["/stable/latest.json.sig"] = publish_twice
    assert phone.update(asked).text == "release 1, 4 bytes, golden 10 of 10"


@pytest.mark.parametrize(
    ("conditions", "app", "file"),
    [
        ({}, {}, b"3.00"),
        ({"least_app_version": 2}, {}, b"2.00"),
        ({"least_app_version": 2}, {"app_version": 2}, b"3.00"),
        ({"least_runtime_version": "2.17"}, {}, b"3.00"),
        ({"least_runtime_version": "2.17"}, {"runtime_version": "2.9.1"}, b"2.00"),
        ({"least_runtime_version": "2.17"}, {"runtime_version": "2.17.0"}, b"3.00"),
        ({"least_runtime_version": "2.17.1"}, {"runtime_version": "2.17"}, b"2.00"),
        ({"share_permille": 0}, {}, b"2.00"),
    ],
)
def test_an_app_takes_the_newest_release_that_it_may_have(
    conditions: dict[str, Any], app: dict[str, Any], file: bytes, feed: Publisher, asked: Asked, phone: Phone
) -> None:
    [first] = feed.document()["offers"]
    feed.release_factor("3.00")
    feed.publish()
    [second] = feed.document()["offers"]
    feed.put_offers({**second, **conditions}, first)
    assert phone.update(at(asked, **app)).kind == "done"
    assert phone.file() == file


def test_an_app_that_is_too_old_for_every_release_keeps_what_it_was_built_with(
    feed: Publisher, asked: Asked, phone: Phone
) -> None:
    [offer] = feed.document()["offers"]
    feed.put_offers({**offer, "least_app_version": 2})
    happened = phone.update(asked)
    assert happened.kind == "done" and happened.text.startswith("no release for") and phone.file() is None
    assert phone.update(at(asked, app_version=2)).text == "release 1, 4 bytes, golden 10 of 10"


def test_a_release_that_is_older_than_golden_examples_comes_too(feed: Publisher, asked: Asked, phone: Phone) -> None:
    feed.release("7.00")
    feed.publish()
    assert (phone.update(asked).kind, phone.file()) == ("done", b"7.00")


def test_a_file_that_the_disk_damaged_is_not_used_and_comes_again(asked: Asked, phone: Phone) -> None:
    phone.update(asked)
    suffix = "*.tflite" if isinstance(phone, JavaPhone) else "*/model.tflite"
    next(path for path in phone.folder.glob(suffix)).write_bytes(b"9.00")
    assert phone.update(asked).text == "release 1, 4 bytes, golden 10 of 10"
    assert not phone.had_file()
    assert phone.file() == b"2.00"


def test_the_file_before_stays_for_an_app_that_is_about_to_open_it_and_older_ones_go(
    feed: Publisher, asked: Asked, phone: Phone
) -> None:
    phone.update(asked)
    for factor in ("3.00", "4.00"):
        feed.release_factor(factor)
        feed.publish()
        phone.update(asked)
    files = {path.resolve() for path in phone.folder.rglob("*.tflite")}
    assert {path.read_bytes() for path in files} == {b"3.00", b"4.00"}
