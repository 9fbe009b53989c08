"""The gate on a release of another contract: when there is one, its bound, and its words."""

from pathlib import Path

import pytest

from nightlite.ondevice.contract.app_contract import AppContract
from nightlite.ondevice.releases.contract_change import contract_change_gate, taken_app_version
from nightlite.ondevice.releases.manifest import Manifest
from nightlite.ondevice.releases.policy import Policy
from nightlite.ondevice.releases.store import Releases
from tests.ondevice.releases.made_releases import CONTRACT, DESCRIPTION

RELEASED = {"created": "2026-11-30T02:00Z", "sha256": "0" * 64, "size_bytes": 1}
SERVED = Manifest(**dict(DESCRIPTION) | RELEASED | {"version": 7, "least_app_version": 4})
[IMAGE] = CONTRACT.inputs


def with_input(**said: object) -> AppContract:
    return CONTRACT.model_copy(update={"inputs": (IMAGE.model_copy(update=said),)})


def with_meaning(**said: object) -> AppContract:
    return with_input(meaning=IMAGE.meaning and IMAGE.meaning.model_copy(update=said))


def test_the_same_contract_has_no_gate_and_other_words_or_another_batch_are_the_same() -> None:
    for contract in (CONTRACT, with_meaning(description="other words"), with_input(shape=(-1, 784))):
        assert contract_change_gate(contract, SERVED, 9, 0, "E") is None


@pytest.mark.parametrize(
    ("contract", "change"),
    [
        (with_meaning(scale=0.25), "input image_floats: scale 0.25 instead of 0.5"),
        (with_meaning(vocabulary=("a", "b")), "input image_floats: vocabulary [a, b] instead of []"),
        (with_input(shape=(1, 28)), "input image_floats: shape [28] instead of [784]"),
        (with_input(name="pixels"), "input image_floats is gone; input pixels is new"),
        (CONTRACT.model_copy(update={"labels": ("1", "0")}), "output: labels [1, 0] instead of [0, 1]"),
    ],
)
def test_another_contract_needs_a_greater_version_of_the_app(contract: AppContract, change: str) -> None:
    verdicts = {}
    for said in (0, 4, 5, 6):
        gate = contract_change_gate(contract, SERVED, 0, said, "E")
        assert gate and (gate.name, gate.bound, gate.value) == ("least_app_version", 5, said)
        verdicts[said] = gate.passed
    assert verdicts == {0: False, 4: False, 5: True, 6: True}
    assert str(contract_change_gate(contract, SERVED, 0, 0, "E")) == (
        f"first version of your app for a contract other than release 7's ({change}): 0, expected >= 5 "
        "(least_app_version)"
    )


def test_an_older_manifest_says_one_and_no_meaning() -> None:
    older = DESCRIPTION.model_dump(mode="json", exclude={"least_app_version"})
    older["inputs"] = [{"name": "image_floats", "dtype": "float32", "shape": [-1, 784]}]
    found = Manifest(**older | RELEASED | {"version": 1})
    assert (found.least_app_version, found.inputs[0].meaning) == (1, None)
    assert contract_change_gate(CONTRACT, found, 0, 0, "E") is None


def test_after_a_rollback_no_two_contracts_get_the_same_version(tmp_path: Path) -> None:
    releases, percent = Releases(tmp_path / "releases"), with_meaning(unit="percent")
    for number, (contract, said) in enumerate([(CONTRACT, 1), (percent, 2)], start=1):
        file = tmp_path / f"model-{number}"
        file.write_text(file.name)
        changed = {"inputs": contract.inputs, "least_app_version": said, "run_id": f"run {number}"}
        releases.push(file, DESCRIPTION.model_copy(update=changed), who="test")
    releases.rollback(1, who="ann", why="2 is slow")
    third, served = with_meaning(unit="thousandths"), releases.release(1)
    assert (taken_app_version(third, releases), taken_app_version(percent, releases)) == (2, 1)
    assert Policy(contract=third, least_app_version=2).unannounced_change(served, releases) is not None
    assert Policy(contract=third, least_app_version=3).unannounced_change(served, releases) is None
    assert Policy(contract=percent, least_app_version=2).unannounced_change(served, releases) is None
