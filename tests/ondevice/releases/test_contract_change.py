"""The gate on a release of another contract: when there is one, its bound, and its words."""

import pytest

from nightlite.ondevice.contract.app_contract import AppContract
from nightlite.ondevice.releases.contract_change import contract_change_gate
from nightlite.ondevice.releases.manifest import Manifest
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
        assert contract_change_gate(contract, SERVED, 0, "E") is None


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
        gate = contract_change_gate(contract, SERVED, said, "E")
        assert gate and (gate.name, gate.bound, gate.value) == ("least_app_version", 5, said)
        verdicts[said] = gate.passed
    assert verdicts == {0: False, 4: False, 5: True, 6: True}
    assert str(contract_change_gate(contract, SERVED, 0, "E")) == (
        f"least version of the app for a contract other than release 7's ({change}): 0, expected >= 5 "
        "(least_app_version)"
    )


def test_an_older_manifest_says_one_and_no_meaning() -> None:
    older = DESCRIPTION.model_dump(mode="json", exclude={"least_app_version"})
    older["inputs"] = [{"name": "image_floats", "dtype": "float32", "shape": [-1, 784]}]
    found = Manifest(**older | RELEASED | {"version": 1})
    assert (found.least_app_version, found.inputs[0].meaning) == (1, None)
    assert contract_change_gate(CONTRACT, found, 0, "E") is None
