"""The roll-out: shares, waiting and replacing, halts, growth, and what phones are offered at each moment."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from nightlite import durable
from nightlite.errors import ReleaseError
from nightlite.ondevice.releases import history
from nightlite.ondevice.releases.anchor import anchor
from nightlite.ondevice.releases.offers import offers
from nightlite.ondevice.releases.store import Releases
from nightlite.ondevice.rollout.plan import Plan, permille_of, steps_of
from nightlite.ondevice.rollout.state import REST, Channel
from nightlite.ondevice.rollout.words import next_step, phones
from tests.ondevice.releases.made_releases import push

STEPS = Plan((100, 500))
REPLACING = Plan((100, 500), "replace")


class Killed(BaseException):
    """Stands for SIGKILL: no one catches it."""


def die(*_: object) -> None:
    raise Killed


@pytest.fixture
def releases(tmp_path: Path) -> Releases:
    """Return releases 1, which all phones get, and 2, which a tenth of stable gets."""
    found = Releases(tmp_path / "mnist" / "releases")
    push(found, "model 1", "run-1", STEPS)
    push(found, "model 2", "run-2", STEPS)
    return found


def offered(releases: Releases, channel: Channel = "stable") -> list[tuple[int, int]]:
    return [(offer.version, offer.permille) for offer in offers(releases, channel)]


def tonight(releases: Releases) -> datetime:
    """Return the time of the next night's renewal."""
    at = releases.state().next_at
    assert at
    return at


def grow(releases: Releases, plan: Plan = STEPS, at: datetime | None = None) -> tuple[int, int] | None:
    """Renew a feed that was published since the last change."""
    published = dict(offered(releases))
    return releases.grow(plan, published=published, who="feed", now=at or tonight(releases))


def test_before_the_first_release_nothing_is_offered_and_nothing_grows(tmp_path: Path) -> None:
    none = Releases(tmp_path / "none")
    assert offered(none) == offered(none, "beta") == []
    assert none.grow(STEPS, published={}, who="feed") is None
    assert not none.folder.exists()


def test_without_steps_a_release_goes_to_all_phones_at_once(tmp_path: Path) -> None:
    releases = Releases(tmp_path / "releases")
    for number in (1, 2):
        push(releases, f"model {number}", f"run-{number}")
    assert offered(releases) == offered(releases, "beta") == [(2, 1000)]


def test_a_first_release_has_no_older_one_for_the_others_and_goes_to_all(releases: Releases) -> None:
    assert [event.permille for event in releases.history()] == [1000, 100]


def test_a_release_begins_with_the_first_step_on_stable_and_is_all_of_beta(releases: Releases) -> None:
    assert offered(releases) == [(2, 100), (1, 1000)]
    assert offered(releases, "beta") == [(2, 1000)]
    # The next night's baseline is on its way to all phones.
    assert releases.latest_version() == 2


def test_a_share_grows_one_step_a_night_until_all_phones_get_it(releases: Releases) -> None:
    assert grow(releases) == (2, 500)
    assert offered(releases) == [(2, 500), (1, 1000)]
    assert grow(releases) == (2, 1000)
    assert offered(releases) == [(2, 1000)]
    assert grow(releases) is None
    last = releases.history()[-1]
    assert (last.action, last.who, last.permille, last.previous) == ("rollout", "feed", 1000, 2)


def test_it_does_not_grow_twice_in_a_night_nor_without_steps(releases: Releases) -> None:
    night = tonight(releases)
    assert grow(releases, at=night - timedelta(minutes=1)) is None
    assert grow(releases, Plan(), at=night) is None
    assert grow(releases, at=night) == (2, 500)
    assert grow(releases, at=night + REST / 2) is None


@pytest.mark.parametrize("published", [{}, {1: 1000}, {2: 50, 1: 1000}, {2: 1000}])
def test_it_does_not_grow_where_phones_never_saw_the_last_step(releases: Releases, published: dict[int, int]) -> None:
    assert releases.grow(STEPS, published=published, who="feed", now=tonight(releases)) is None


def test_a_release_waits_while_the_last_one_is_on_its_way_and_then_the_newest_begins(releases: Releases) -> None:
    for number in (3, 4):
        push(releases, f"model {number}", f"run-{number}", STEPS)
    assert offered(releases) == [(2, 100), (1, 1000)]
    assert offered(releases, "beta") == [(4, 1000)]
    assert releases.latest_version() == 4
    nights = [grow(releases) for _ in range(5)]
    assert nights == [(2, 500), (2, 1000), (4, 100), (4, 500), (4, 1000)]
    # Release 3 never goes to stable.
    assert releases.state().full == (1, 2, 4)


def test_where_it_replaces_the_others_go_back_to_the_last_full_release(releases: Releases) -> None:
    push(releases, "model 3", "run-3", REPLACING)
    assert offered(releases) == [(3, 100), (1, 1000)]
    assert grow(releases, REPLACING) == (3, 500)


def test_a_halt_withdraws_the_file_and_latest_goes_back_to_the_last_full_release(releases: Releases) -> None:
    state = releases.halt(2, who="joe", why="crashes")
    assert offered(releases) == offered(releases, "beta") == [(1, 1000)]
    assert (state.latest, releases.latest_version(), state.rolling) == (1, 1, None)
    assert grow(releases) is None
    again = push(releases, "model 2", "run-3", STEPS)
    assert again.outcome == "rolled_back"
    assert again.why == (
        "not pushed: joe halted this very file (crashes); "
        "only 'nightlite models rollout --model mnist 2' brings it back"
    )
    late_retry = push(releases, "model 2", "run-2", STEPS)
    assert (late_retry.outcome, releases.latest_version()) == ("rolled_back", 1)


def test_after_a_halt_the_next_release_begins_again_and_one_that_waits_begins_a_night_later(
    releases: Releases,
) -> None:
    push(releases, "model 3", "run-3", STEPS)
    releases.halt(2, who="joe", why="crashes")
    assert (releases.latest_version(), offered(releases)) == (3, [(1, 1000)])
    assert releases.state().since == releases.history()[-1].when
    assert grow(releases, at=tonight(releases) - timedelta(hours=1)) is None
    assert grow(releases) == (3, 100)
    releases.halt(3, who="joe", why="crashes, too")
    push(releases, "model 4", "run-4", STEPS)
    assert offered(releases) == [(4, 100), (1, 1000)]


def test_one_that_waits_can_be_halted_and_the_rolling_one_goes_on(releases: Releases) -> None:
    push(releases, "model 3", "run-3", STEPS)
    releases.halt(3, who="joe", why="worse on beta")
    assert (releases.latest_version(), offered(releases, "beta")) == (2, [(2, 1000)])
    assert grow(releases) == (2, 500)


def test_a_persons_rollout_restores_what_was_halted(releases: Releases) -> None:
    releases.halt(2, who="joe", why="crashes")
    state = releases.roll_out(2, 50, who="ann", why="it was the app")
    assert (state.latest, releases.latest_version()) == (2, 2)
    assert history.withdrawn(releases.history()) == {}
    assert offered(releases) == [(2, 50), (1, 1000)]
    assert push(releases, "model 2", "run-9", STEPS).outcome == "nothing_new"
    assert grow(releases) == (2, 100)


def test_a_rollback_gives_a_release_to_all_phones_of_both_channels_at_once(releases: Releases) -> None:
    push(releases, "model 3", "run-3", STEPS)
    releases.rollback(1, who="joe", why="both crash")
    assert offered(releases) == offered(releases, "beta") == [(1, 1000)]
    assert set(history.withdrawn(releases.history())) == {releases.release(n).manifest.sha256 for n in (2, 3)}
    releases.rollback(2, who="joe", why="it was the app")
    assert offered(releases) == offered(releases, "beta") == [(2, 1000)]


def test_by_hand_a_share_grows_at_once(releases: Releases) -> None:
    push(releases, "model 3", "run-3", STEPS)
    releases.roll_out(3, 300, who="ann", why="mends 2")
    assert offered(releases) == [(3, 300), (1, 1000)]
    releases.roll_out(3, 1000, who="ann", why="urgent")
    assert offered(releases) == [(3, 1000)]


@pytest.mark.parametrize(
    ("version", "permille", "said"),
    [
        (2, 100, r"expected more than 10 %, which release 2 has: .* Received: 10 %; .* halt --model mnist 2'"),
        (2, 50, r"Received: 5 %"),
        (1, 500, "release 1 goes to all phones already"),
        (7, 500, "no|expected one of the versions"),
    ],
)
def test_a_share_that_would_not_grow_is_refused(releases: Releases, version: int, permille: int, said: str) -> None:
    before = releases.history()
    with pytest.raises(ReleaseError, match=said):
        releases.roll_out(version, permille, who="ann", why="")
    assert releases.history() == before


def test_what_all_phones_have_is_rolled_back_from_and_not_halted(releases: Releases) -> None:
    releases.roll_out(2, 1000, who="ann", why="")
    with pytest.raises(ReleaseError, match="not all phones get yet. Received: 2; .* rollback --model mnist 1'"):
        releases.halt(2, who="joe", why="crashes")
    with pytest.raises(ReleaseError, match="newer than 2, .* rollback --model mnist 1'"):
        releases.roll_out(1, 100, who="joe", why="")


def test_a_halt_twice_names_the_first(releases: Releases) -> None:
    releases.halt(2, who="joe", why="crashes")
    with pytest.raises(ReleaseError, match=r"release 2 was halted already, by joe \(crashes\)"):
        releases.halt(2, who="ann", why="crashes")


def test_a_rollback_to_the_rolling_release_names_the_rollout(releases: Releases) -> None:
    with pytest.raises(ReleaseError, match="latest already; 'nightlite models rollout --model mnist 2 --percent 100'"):
        releases.rollback(2, who="joe", why="")


def test_phones_go_back_to_no_damaged_release(releases: Releases) -> None:
    (releases.folder / "1" / "model.tflite").write_text("rotten")
    with pytest.raises(ReleaseError, match="Do not use this release"):
        releases.halt(2, who="joe", why="crashes")
    assert offered(releases) == [(2, 100), (1, 1000)]


@pytest.mark.parametrize("step", ["write", "link"])
def test_a_change_that_is_killed_is_whole_or_not_there_and_a_retry_completes_it(
    releases: Releases, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """write: before it is recorded; link: after that, but before `latest` follows."""
    with monkeypatch.context() as patch:
        patch.setattr(durable, step, die)
        with pytest.raises(Killed):
            releases.halt(2, who="joe", why="crashes")
    assert offered(releases) == ([(2, 100), (1, 1000)] if step == "write" else [(1, 1000)])
    assert releases.latest_version() == 2
    if step == "write":
        releases.halt(2, who="joe", why="crashes")
    else:
        with pytest.raises(ReleaseError, match="halted already"):
            releases.halt(2, who="joe", why="crashes")
    assert (releases.latest_version(), offered(releases)) == (1, [(1, 1000)])


def test_a_push_after_a_killed_halt_does_not_take_the_halted_file_for_the_latest(
    releases: Releases, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(durable, "link", die)
        with pytest.raises(Killed):
            releases.halt(2, who="joe", why="crashes")
    assert push(releases, "model 2", "run-3", STEPS).outcome == "rolled_back"
    assert releases.latest_version() == 1


def test_with_a_broken_history_nothing_is_changed(releases: Releases) -> None:
    path = releases.folder / "history.jsonl"
    path.write_text(path.read_text() + "{\n")
    before = path.read_text()
    for change in (releases.halt, releases.rollback):
        with pytest.raises(ReleaseError, match="line 3: not an event"):
            change(1, who="joe", why="")
    assert (path.read_text(), releases.latest_version()) == (before, 2)


def test_a_push_that_is_killed_in_a_rollout_is_completed_with_its_share(
    releases: Releases, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(durable, "write", die)
        with pytest.raises(Killed):
            push(releases, "model 3", "run-3", STEPS)
    assert offered(releases, "beta") == [(2, 1000)]
    push(releases, "model 3", "run-3", STEPS)
    push(releases, "model 3", "run-3", STEPS)
    assert [event.permille for event in releases.history()] == [1000, 100, 0]
    assert offered(releases, "beta") == [(3, 1000)]


def test_apps_and_runtimes_too_old_for_a_release_keep_the_newest_that_they_can_use(tmp_path: Path) -> None:
    releases = Releases(tmp_path / "releases")
    for version, (app, runtime) in enumerate(
        [(1, "2.3.0"), (1, "2.3.0"), (2, "2.3.0"), (2, "2.10.0"), (3, "2.10.0"), (3, "2.11.0")], start=1
    ):
        said = {"least_app_version": app, "least_runtime_version": runtime}
        push(releases, f"model {version}", f"run-{version}", Plan((100,)) if version == 6 else Plan(), **said)
    assert offered(releases) == [(6, 100), (5, 1000), (4, 1000), (3, 1000), (2, 1000)]
    assert offered(releases, "beta") == [(6, 1000), (5, 1000), (4, 1000), (3, 1000), (2, 1000)]
    releases.prune(1, who="Pusher", why="keep 1")
    assert releases.versions() == [2, 3, 4, 5, 6]


def test_what_was_never_full_or_was_withdrawn_is_offered_to_no_old_app(releases: Releases) -> None:
    push(releases, "model 3", "run-3", REPLACING)
    push(releases, "model 4", "run-4", least_app_version=2)
    assert offered(releases) == [(4, 1000), (1, 1000)]


def test_pruning_keeps_what_phones_get_or_will_get(releases: Releases) -> None:
    for number in (3, 4, 5):
        push(releases, f"model {number}", f"run-{number}", STEPS)
    releases.prune(1, who="Pusher", why="keep 1")
    assert releases.versions() == [1, 2, 3, 4, 5]
    for _ in range(2):
        grow(releases)
    releases.prune(1, who="Pusher", why="keep 1")
    assert releases.versions() == [2, 3, 4, 5]
    grow(releases)
    releases.prune(1, who="Pusher", why="keep 1")
    assert releases.versions() == [2, 5]


def test_a_pruned_release_is_not_gone_back_to(releases: Releases) -> None:
    for _ in range(2):
        grow(releases)
    releases.prune(1, who="Pusher", why="keep 1")
    assert releases.state().full == (2,)


def test_the_baseline_is_on_its_way_to_all_phones_and_an_anchor_is_never_a_halted_one(releases: Releases) -> None:
    push(releases, "model 3", "run-3", STEPS, anchor=2)
    found = anchor(releases)
    assert (releases.latest_version(), found and found.version) == (3, 2)
    releases.halt(2, who="joe", why="crashes")
    found = anchor(releases)
    assert (releases.latest_version(), found and found.version) == (3, 3)


def test_releases_without_a_history_are_offered_as_latest_says(releases: Releases) -> None:
    (releases.folder / "history.jsonl").unlink()
    assert offered(releases) == offered(releases, "beta") == [(2, 1000)]


def test_a_damaged_release_is_never_on_offer_but_none_is_missing_silently(releases: Releases) -> None:
    (releases.folder / "2" / "manifest.json").write_text("{")
    with pytest.raises(ReleaseError, match="not a release's manifest"):
        offers(releases, "stable")


@pytest.mark.parametrize(
    ("text", "steps"), [("", ()), (" ", ()), ("10,50", (100, 500)), ("0.5, 2.5,99.9", (5, 25, 999))]
)
def test_steps_are_growing_percents(text: str, steps: tuple[int, ...]) -> None:
    assert steps_of(text) == steps


@pytest.mark.parametrize("text", ["50,10", "10,10", "0,10", "10,100", "10;50", "x", "-1", "10,", "nan", "1e400"])
def test_other_steps_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="growing percents"):
        steps_of(text)


@pytest.mark.parametrize("percent", [0, 0.01, 100.1, -5])
def test_a_percent_is_a_thousandth_or_more(percent: float) -> None:
    with pytest.raises(ValueError, match="from 0.1 to 100"):
        permille_of(percent)


def test_a_history_from_before_roll_outs_means_all_phones(releases: Releases) -> None:
    when = datetime(2026, 1, 1, tzinfo=UTC).isoformat()
    line = f'{{"action":"push","version":2,"sha256":"x","previous":1,"when":"{when}","who":"Pusher","why":""}}\n'
    (releases.folder / "history.jsonl").write_text(line)
    assert offered(releases) == [(2, 1000)]


def test_words_say_who_gets_what_and_what_comes_next(releases: Releases) -> None:
    def said() -> dict[int, str]:
        state = releases.state()
        shown = {offer.version for offer in offers(releases, "stable")}
        return {version: phones(state, version, offered=version in shown) for version in releases.versions()}

    def comes() -> str:
        return next_step(releases.state(), STEPS).partition(" with the feed's first renewal after ")[0]

    assert said() == {1: "90 % of stable", 2: "all of beta, 10 % of stable"}
    assert comes() == "Release 2 goes to 50 % of stable"
    assert next_step(releases.state(), Plan()) == "Release 2 stays at 10 % until someone changes that."
    pushed = [push(releases, f"model {number}", f"run-{number}", STEPS, least_app_version=2) for number in (3, 4)]
    assert [done.why for done in pushed] == [f"pushed as release {n}, which waits: one is rolling out" for n in (3, 4)]
    assert said() == {1: "90 % of stable", 2: "10 % of stable", 3: "", 4: "all of beta, waits for stable"}
    for _ in range(2):
        grow(releases)
    assert said() == {1: "", 2: "all of stable", 3: "", 4: "all of beta, waits for stable"}
    assert comes() == "Release 4 goes to 10 % of stable"
    assert next_step(releases.state(), Plan()) == "Release 4 waits until someone rolls it out."
    for _ in range(3):
        grow(releases)
    assert said() == {1: "", 2: "apps too old for a newer one", 3: "", 4: "all"}
    assert comes() == ""
    assert push(releases, "model 5", "run-5", STEPS).why == "pushed as release 5, to 10 % of the phones on stable"
