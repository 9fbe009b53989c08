"""The rule by which a model may replace the served release: the decision on made-up answers, without a model."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from nightlite.ondevice.approval import Approval
from nightlite.ondevice.gates.edge import edge_gates
from nightlite.ondevice.gates.paired import LEAST_DIFFERENCE, chance_below
from nightlite.ondevice.in_tfx.answers.mcnemar import compare
from nightlite.ondevice.releases.anchor import anchor
from nightlite.ondevice.releases.policy import EVEN_IF_NO_BETTER, Policy, comparison_with
from nightlite.ondevice.releases.store import Push, Releases
from nightlite.ondevice.results.outcome import Outcome
from tests.names import RunParams
from tests.ondevice.gates.test_edge import DEFAULTS, EXPECTED, MEASURED, RENAMED
from tests.ondevice.releases.made_releases import CONTRACT as DECLARED
from tests.ondevice.releases.made_releases import DESCRIPTION

N = 1000
APPROVED = Approval(decision="approved", user="ann", at=datetime(2026, 11, 28, tzinfo=UTC))
Right = npt.NDArray[np.bool_]


def right(wrong: range) -> Right:
    """Return answers to N images that are all right but these."""
    found = np.ones(N, dtype=bool)
    found[list(wrong)] = False
    return found


def gates_refuse(answers: Right, last: Right, anchors: Right) -> list[str]:
    """Return the gates that refuse these answers, the Evaluator's margin against the last release among them."""
    found = {"against_baseline": compare(answers, last, "last"), "against_anchor": compare(answers, anchors, "anchor")}
    gates = edge_gates(MEASURED.model_copy(update=found), DEFAULTS, EXPECTED, "none", "EdgeValidator")
    margin = ["margin"] if found["against_baseline"].change < RunParams().min_accuracy_change else []
    return [gate.name for gate in gates if not gate.passed] + margin


@dataclass
class Shop:
    """Releases of made-up files, each with its answers to the same images."""

    releases: Releases
    answers: dict[str, Right] = field(default_factory=dict)
    runs: Iterator[int] = field(default_factory=itertools.count)

    def night(
        self, name: str, answers: Right, *, push: str = "yes", approved: bool = False, **measurements: Any
    ) -> Push:
        """Judge a file and push it, as EdgeValidator and the Pusher do."""
        file = self.releases.folder.parent / name
        file.write_text(name)
        measured = MEASURED.model_copy(update={"code": "c1", "data": "d1", **measurements})
        latest, held_to = self.releases.latest(), anchor(self.releases)
        if latest and held_to:
            for name_of, release in (("against_baseline", latest), ("against_anchor", held_to)):
                found = compare(answers, self.answers[release.model().decode()], release.manifest.sha256)
                measured = measured.model_copy(update={name_of: found})
        judged = measured.model_dump(mode="json")
        against = comparison_with(judged, held_to.manifest.sha256) if held_to else None
        description = DESCRIPTION.model_copy(
            update={
                "run_id": f"run {next(self.runs)}",
                "measurements": judged,
                "approval": APPROVED if approved else None,
                "anchor": held_to.version if held_to else None,
                "beat_anchor": bool(against and against.better),
            }
        )
        self.answers[name] = answers
        return self.releases.push(file, description, who="Pusher", policy=Policy(judged, push))

    def again(self, name: str) -> Push:
        """Return the same file in another run, compared with the releases of today."""
        return self.night(name, self.answers[name])


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(Releases(tmp_path / "pushed"))


def version_of_anchor(shop: Shop) -> int:
    found = anchor(shop.releases)
    assert found
    return found.version


@pytest.mark.parametrize(
    ("won", "lost", "p"),
    [(0, 0, 1), (7, 4, 0.5488), (6, 0, 0.03125), (0, 6, 0.03125), (5, 0, 0.0625), (40, 20, 0.0135)],
)
def test_mcnemars_exact_test(won: int, lost: int, p: float) -> None:
    found = compare(right(range(won, won + lost)), right(range(won)), "a")
    assert (found.won, found.lost, found.n, found.change) == (won, lost, N, (won - lost) / N)
    assert found.p == pytest.approx(p, abs=5e-4)
    assert (found.better, found.worse) == (p < 0.05 and won > lost, p < 0.05 and lost > won)


@pytest.mark.parametrize(("examples", "points"), [(67, 9), (1000, 0.6), (6, 100), (3, 100)])
def test_no_smaller_difference_is_told_apart_than_the_report_says(examples: int, points: float) -> None:
    assert chance_below(examples) * 100 == pytest.approx(points, abs=0.05)
    for lost in range(30):
        won = lost + LEAST_DIFFERENCE - 1
        assert not compare(right(range(won, won + lost)), right(range(won)), "a").better
    assert compare(right(range(0)), right(range(LEAST_DIFFERENCE)), "a").better


def test_the_last_plain_run_does_not_undo_a_release_that_a_person_approved(shop: Shop) -> None:
    """Release 2 was approved with another seed; a plain run on the same span makes release 1's file again."""
    shop.night("seed 1", right(range(20)))
    shop.night("seed 2", right(range(7, 24)), push=EVEN_IF_NO_BETTER, approved=True)
    assert version_of_anchor(shop) == shop.releases.latest_version() == 2
    again = shop.again("seed 1")
    assert again.outcome is Outcome.no_better
    assert again.why == "no better: this very file is release 1, which release 2 replaced on the same data"
    assert shop.again("seed 2").outcome is Outcome.nothing_new
    shop.releases.rollback(1, who="ann", why="it mistakes sevens")
    assert shop.again("seed 2").outcome is Outcome.rolled_back


@pytest.mark.parametrize(
    "new",
    [
        {"quantization": "int8"},
        {"code": "c2"},
        {"data": "d2"},
        {"contract": RENAMED},
        {"code": ""},
    ],
    ids=["int8 after float", "a mended converter", "a new span", "another contract", "no record"],
)
def test_what_is_new_ships_without_being_better(shop: Shop, new: dict[str, Any]) -> None:
    shop.night("first", right(range(20)))
    slightly_worse = right(range(23))
    assert shop.night("same", slightly_worse).outcome is Outcome.no_better
    assert gates_refuse(slightly_worse, right(range(20)), right(range(20))) == []
    assert shop.night("new", slightly_worse, **new).outcome is Outcome.released
    assert (shop.releases.latest_version(), version_of_anchor(shop)) == (2, 1)


def test_another_contract_makes_two_models_unlike_where_a_run_has_said_so(shop: Shop) -> None:
    shop.night("first", right(range(20)))
    measurements, first = shop.releases.release(1).manifest.measurements, shop.releases.release(1)
    labels = DECLARED.model_copy(update={"labels": ("no", "yes")})
    assert Policy(measurements, "yes", first.manifest.app_contract).no_better("new", first, {}) is not None
    assert Policy(measurements, "yes", labels, 2).no_better("new", first, {}) is None
    for said, refused in ((0, True), (1, True), (2, False)):
        found = Policy(measurements, "yes", labels, said)
        assert found.changes_contract(first) and bool(found.unannounced_change(first, shop.releases)) is refused
    assert Policy(measurements, "yes").unannounced_change(first, shop.releases) is None


def test_the_latest_file_is_pushed_again_to_be_signed(shop: Shop) -> None:
    shop.night("first", right(range(20)))
    measurements = shop.releases.release(1).manifest.measurements
    assert (
        shop.releases.known(
            shop.releases.folder.parent / "first", must_be_signed=True, policy=Policy(measurements, "yes")
        )
        is None
    )


def test_a_release_that_came_since_is_not_replaced_unseen(shop: Shop) -> None:
    shop.night("first", right(range(20)))
    rule = Policy(shop.releases.release(1).manifest.measurements, "yes")
    shop.night("second", right(range(0)))
    assert rule.no_better("a new file", shop.releases.release(2), {}) == (
        "no better: not compared with release 2, which is of the same data; the next run will be"
    )


@pytest.mark.parametrize("loss", [4, 5])
def test_small_losses_every_night_are_stopped_by_the_anchor(shop: Shop, loss: int) -> None:
    """-0.4 and -0.5 points a night pass against the last release, forever."""
    shop.night("night 0", right(range(20)))
    shipped, stopped = right(range(20)), []
    for night in range(1, 6):
        answers = right(range(20 + night * loss))
        stopped = gates_refuse(answers, shipped, right(range(20)))
        if stopped:
            break
        assert shop.night(f"night {night}", answers, data=f"span {night}").outcome is Outcome.released
        assert gates_refuse(answers, shipped, shipped) == []  # without an anchor
        assert version_of_anchor(shop) == 1
        shipped = answers
    assert stopped and set(stopped) <= {"min_accuracy_change", "min_p_if_worse"}
    # Nowhere near the 2 points that five nights would have lost.
    assert 1 - shipped.mean() <= 0.03


def test_of_twenty_equally_good_models_each_is_refused_no_more_often_than_by_the_tests_level() -> None:
    """Every image is misread by each model with a probability of its own, 1.5 % on average: some are hard for all."""
    draw, worlds, models = np.random.default_rng(13), 40, 20
    refused = np.zeros(models)
    for _ in range(worlds):
        hard = draw.beta(0.1, 6.5, N)
        anchors = last = draw.random(N) >= hard
        for model in range(models):
            answers = draw.random(N) >= hard
            if gates_refuse(answers, last, anchors):
                refused[model] += 1
            else:
                last = answers
    assert refused.mean() / worlds <= 0.05
    # Of the hundreds of draws a model has, so many may be refused at this level, by chance itself.
    assert refused.max() / worlds <= 0.05 + 2 * (0.05 * 0.95 / worlds) ** 0.5


def test_after_a_rollback_the_anchor_is_the_one_of_the_release_that_is_served(shop: Shop) -> None:
    shop.night("1", right(range(60)))
    shop.night("2", right(range(30)), data="d2")
    shop.night("3", right(range(32)), data="d3")
    assert (shop.releases.latest_version(), version_of_anchor(shop)) == (3, 2)
    shop.releases.rollback(1, who="ann", why="both mistake sevens")
    assert version_of_anchor(shop) == 1
    # 3 is restored, 2 stays withdrawn: no model is held to it.
    shop.releases.rollback(3, who="ann", why="they did not")
    assert version_of_anchor(shop) == 3


def test_prune_keeps_the_anchor_and_a_lost_one_gives_way_to_the_latest(shop: Shop) -> None:
    for night in range(6):
        shop.night(str(night), right(range(20 + night)), data=f"d{night}")
    assert shop.releases.prune(2, who="ann", why="disk") == [2, 3, 4]
    assert (shop.releases.versions(), version_of_anchor(shop)) == ([1, 5, 6], 1)
    (shop.releases.folder / "1" / "model.tflite").write_text("rotten")
    assert version_of_anchor(shop) == 6
