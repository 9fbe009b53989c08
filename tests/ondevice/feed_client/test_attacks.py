"""Every attack on a feed, against both clients: the last good file stays, and the error says what to do."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.ondevice.feed.made_feed import NOON
from tests.ondevice.feed_client import server as answers
from tests.ondevice.feed_client.phones import Asked, Phone, at
from tests.ondevice.feed_client.publisher import Publisher
from tests.ondevice.feed_client.server import Served

DOCUMENT, SIGNATURES = "/stable/latest.json", "/stable/latest.json.sig"
HTML = b"<!DOCTYPE html><html><title>Welcome to the hotel</title></html>"
OTHERS = ec.generate_private_key(ec.SECP256R1())


@dataclass(frozen=True)
class Scene:
    """A phone that has release 1, and a feed that has just published release 2."""

    feed: Publisher
    server: Served
    seen: int = 0

    @property
    def model(self) -> str:
        """Return the path of release 2's file."""
        return f"/{self.feed.document()['offers'][0]['url']}"

    def replay(self) -> None:
        self.feed.put({**self.feed.document(), "sequence": self.seen - 1})

    def forge(self) -> None:
        content = json.dumps({**self.feed.document(), "sequence": 2**50}).encode()
        self.feed.put_bytes(content, self.feed.signatures().encode())

    def sign_with_wrong_key(self) -> None:
        self.feed.put(self.feed.document(), OTHERS)

    def sign_as_a_known_key(self) -> None:
        content = self.feed.content()
        self.sign_with_wrong_key()
        made = self.feed.signatures().split(" ")[1]
        self.feed.put_bytes(content, f"{self.feed.keys.current} {made}".encode())

    def give_no_signature(self) -> None:
        self.server.answers[SIGNATURES] = answers.content(b"\n")

    def truncate_document(self) -> None:
        content = self.feed.content()
        self.server.answers[DOCUMENT] = answers.content(content[: len(content) // 2])

    def truncate_signatures(self) -> None:
        self.server.answers[SIGNATURES] = answers.content(self.feed.signatures().encode()[:40])

    def truncate_model(self) -> None:
        self.server.answers[self.model] = answers.content(b"3.0")

    def cut_model(self) -> None:
        self.server.answers[self.model] = answers.cut(b"3.00")

    def swap(self) -> None:
        self.server.answers[self.model] = answers.content(b"2.00")

    def swap_golden(self) -> None:
        golden = self.feed.document()["offers"][0]["golden"]
        self.server.answers[f"/{golden['url']}"] = answers.content(b" " * golden["size"])

    def swap_labels(self) -> None:
        labels = self.feed.document()["offers"][0]["labels"]
        self.server.answers[f"/{labels['url']}"] = answers.content(b"1\n0\n")

    def send_endless_model(self) -> None:
        self.server.answers[self.model] = answers.endless

    def send_endless_document(self) -> None:
        self.server.answers[DOCUMENT] = answers.endless

    def send_endless_signatures(self) -> None:
        self.server.answers[SIGNATURES] = answers.endless

    def redirect_document(self) -> None:
        self.server.answers[DOCUMENT] = answers.content(b"", 302, Location=f"{self.server.url}beta/latest.json")

    def redirect_model(self) -> None:
        moved = f"{self.server.url}{self.model.lstrip('/')}?"
        self.server.answers[self.model] = answers.content(b"", 307, Location=moved)

    def mix_channels(self) -> None:
        self.feed.put_bytes(self.feed.content("beta"), self.feed.signatures("beta").encode())

    def mix_models(self) -> None:
        self.feed.put({**self.feed.document(), "model": "large"})

    def name_another_key(self) -> None:
        self.feed.put({**self.feed.document(), "key_id": self.feed.keys.next})

    def change_schema(self, version: int) -> None:
        before = self.feed.document()
        self.feed.put({**before, "schema_version": version, "sequence": before["sequence"] + 1})

    def show_a_login_page(self) -> None:
        self.server.answers[DOCUMENT] = answers.content(HTML)

    def show_a_login_page_for_all(self) -> None:
        for path in (DOCUMENT, SIGNATURES, self.model):
            self.server.answers[path] = answers.content(HTML)

    def lose_model(self) -> None:
        self.server.answers[self.model] = answers.content(b"gone", 404)

    def break_down(self) -> None:
        self.server.answers[DOCUMENT] = answers.content(b"out of order", 503)

    def pretend_that_all_is_known(self) -> None:
        for path in (SIGNATURES, self.model):
            self.server.answers[path] = answers.not_modified


ATTACKS: dict[str, tuple[Callable[[Scene], None], str, str]] = {
    "replayed": (Scene.replay, "refused", "or later. Received: 17"),
    "forged": (Scene.forge, "refused", 'Received: {"schema_version": 1'),
    "wrong key": (Scene.sign_with_wrong_key, "refused", 'Received: {"schema_version": 1'),
    "wrong key under a known name": (Scene.sign_as_a_known_key, "refused", 'Received: { "schema_version": 1'),
    "no signature": (Scene.give_no_signature, "refused", "latest.json signed by"),
    "truncated document": (Scene.truncate_document, "refused", "latest.json signed by"),
    "truncated signatures": (Scene.truncate_signatures, "refused", "latest.json signed by"),
    "truncated model": (Scene.truncate_model, "failed", "expected 4 bytes. Received: 3; try again later"),
    "connection cut": (Scene.cut_model, "failed", "try again later"),
    "swapped": (Scene.swap, "refused", "with sha256"),
    "swapped golden examples": (Scene.swap_golden, "refused", "with sha256"),
    "swapped labels": (Scene.swap_labels, "refused", "with sha256"),
    "oversized model": (Scene.send_endless_model, "failed", "expected at most 4 bytes. Received: more"),
    "oversized document": (Scene.send_endless_document, "failed", "bytes. Received: more"),
    "oversized signatures": (Scene.send_endless_signatures, "failed", "bytes. Received: more"),
    "redirected document": (Scene.redirect_document, "failed", "Received: 302 to http://127.0.0.1:"),
    "redirected model": (Scene.redirect_model, "failed", "which may be a network's log-in page; try again later"),
    "another channel's document": (Scene.mix_channels, "refused", "expected tiny, stable. Received: tiny, beta; check"),
    "another model's document": (Scene.mix_models, "refused", "expected tiny, stable. Received: large, stable; check"),
    "another key's name": (Scene.name_another_key, "refused", "expected key_id "),
    "older schema": (lambda scene: scene.change_schema(0), "refused", "expected schema_version 1. Received: 0; "),
    "newer schema": (lambda scene: scene.change_schema(2), "refused", "expected schema_version 1. Received: 2; "),
    "page instead of the document": (Scene.show_a_login_page, "refused", "Received: <!DOCTYPE html>"),
    "page instead of everything": (Scene.show_a_login_page_for_all, "refused", "Received: <!DOCTYPE html>"),
    "model is missing": (Scene.lose_model, "failed", "expected status 200. Received: 404; try again later"),
    "server out of order": (Scene.break_down, "failed", "expected status 200. Received: 503; try again later"),
    "not modified, for what is new": (Scene.pretend_that_all_is_known, "failed", "Received: 304; try again later"),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_last_good_file_stays_and_the_next_release_comes_when_it_is_over(
    attack: str, feed: Publisher, server: Served, asked: Asked, phone: Phone
) -> None:
    assert phone.update(asked).text == "release 1, 4 bytes, golden 10 of 10"
    seen = feed.document()["sequence"]
    feed.release_factor("3.00")
    feed.publish(days=1)
    good = {path: path.read_bytes() for path in sorted((feed.folder / "stable").iterdir())}
    do, kind, text = ATTACKS[attack]
    do(Scene(feed, server, seen))
    for _ in range(2):  # also when nothing was learned of the first time
        happened = phone.update(at(asked, now=NOON + timedelta(days=1)))
        assert (happened.kind, phone.file(), phone.labels()) == (kind, b"2.00", ["0", "1"]), happened
        assert text in happened.text
        assert kind == "failed" or happened.text.endswith("The last good file stays")
    server.answers.clear()
    for path, content in good.items():
        path.write_bytes(content)
    assert phone.update(at(asked, now=NOON + timedelta(days=1))).text == "release 2, 4 bytes, golden 10 of 10"
    assert phone.file() == b"3.00"


def test_a_first_update_that_is_attacked_leaves_no_file(
    feed: Publisher, server: Served, asked: Asked, phone: Phone
) -> None:
    Scene(feed, server).swap_labels()
    server.answers[Scene(feed, server).model] = answers.content(b"9.00")
    happened = phone.update(asked)
    assert happened.kind == "refused" and phone.file() is None
    assert happened.text.endswith("There is no file from this feed yet")


@pytest.mark.parametrize("answer", ["as it was", "not modified"])
def test_a_frozen_feed_is_seen_and_changes_nothing(
    answer: str, feed: Publisher, server: Served, asked: Asked, phone: Phone
) -> None:
    phone.update(asked)
    if answer == "not modified":
        server.answers[DOCUMENT] = answers.not_modified
    frozen = phone.update(at(asked, now=NOON + timedelta(days=4)))
    assert (frozen.kind, phone.file()) == ("refused", b"2.00")
    assert "expected a feed that is renewed every night. Received: one that expired at 2026-10-04" in frozen.text
    assert phone.update(at(asked, now=NOON + timedelta(days=3.9))).text.startswith("nothing new since release 1")
    server.answers.clear()
    feed.publish(days=4)
    assert phone.update(at(asked, now=NOON + timedelta(days=4))).kind == "done"


def test_a_file_that_fails_its_golden_examples_here_is_not_used(feed: Publisher, asked: Asked, phone: Phone) -> None:
    phone.update(asked)
    feed.release_factor("3.00", golden=4)
    feed.publish()
    happened = phone.update(asked)
    assert (happened.kind, phone.file()) == ("refused", b"2.00")
    assert "all golden examples of release 2 to agree" in happened.text and "Received: 0 of 10; " in happened.text


def test_a_file_that_the_runtime_cannot_run_is_not_used(feed: Publisher, asked: Asked, phone: Phone) -> None:
    phone.update(asked)
    feed.release_factor("three", golden=3)
    feed.publish()
    happened = phone.update(asked)
    assert (happened.kind, phone.file()) == ("refused", b"2.00")
    assert "golden examples of release 2" in happened.text


def test_a_server_that_is_down_is_asked_again_later(asked: Asked, phone: Phone) -> None:
    phone.update(asked)
    happened = phone.update(at(asked, url="http://127.0.0.1:9/"))
    assert (happened.kind, phone.file()) == ("failed", b"2.00")
