"""Nights of the tiny table whose contract changes: refused with words, released where the run says so, then usual."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nightlite.deployment.settings import Settings
from nightlite.ondevice.gates.gate import Gate, Gates
from nightlite.ondevice.gates.measurements import CandidateMeasurements
from nightlite.ondevice.in_tfx.compile import compile_model
from nightlite.ondevice.model import OnDeviceModel
from nightlite.ondevice.releases.release import Release
from nightlite.ondevice.releases.store import Releases
from nightlite.ondevice.results.headline import headline
from nightlite.ondevice.results.node_facts import facts_of
from nightlite.runner.in_tfx.run_local import run_local
from tests.ondevice.in_tfx.gate_laboratory import Run
from tests.tiny_table.deployment import deployed
from tests.tiny_table.on_device import MODEL

_ANY_SPEED = {"max_load_ms": 1e5, "max_latency_ms": 1e5, "max_latency_ratio": 1e5}
_THREE = MODEL.model_copy(update={"features": MODEL.features[:-1], "run_fn": "tests.tiny_table.three_inputs.run_fn"})


def in_millimetres(model: OnDeviceModel) -> OnDeviceModel:
    """Return the same model and file, whose first input an app is to give in another unit."""
    first, *others = model.features
    changed = first.model_copy(update={"meaning": first.meaning.model_copy(update={"unit": "mm"})})
    return model.model_copy(update={"features": (changed, *others)})


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return deployed(tmp_path_factory.mktemp("var"))


Night = Callable[..., Run]


@pytest.fixture(scope="module")
def night(settings: Settings) -> Night:
    def run(name: str, model: OnDeviceModel, **parameters: Any) -> Run:
        return run_local(compile_model(model, settings), name, settings.mlmd_url, {**_ANY_SPEED, **parameters})

    return run


@pytest.fixture(scope="module")
def first(night: Night) -> Run:
    return night("first", MODEL)


@pytest.fixture(scope="module")
def refused(night: Night, first: Run) -> Run:
    return night("refused", _THREE)


@pytest.fixture(scope="module")
def released(night: Night, refused: Run) -> Run:
    return night("released", _THREE, least_app_version=2)


def judged(run: Run) -> Path:
    [blessing] = run["EdgeValidator"].outputs["blessing"]
    return Path(blessing.uri)


def gates(run: Run) -> dict[str, Gate]:
    return {gate.name: gate for gate in Gates.read(judged(run)).gates}


def release(settings: Settings, version: int) -> Release:
    return Releases(settings.folders(MODEL.name).releases).release(version)


def test_other_inputs_are_refused_with_words_and_nothing_is_compared(
    settings: Settings, first: Run, refused: Run
) -> None:
    assert facts_of(first[MODEL.pusher]).outcome == "released" and "least_app_version" not in gates(first)
    assert facts_of(refused[MODEL.pusher]).outcome == "refused"
    found = gates(refused)
    assert [name for name, gate in found.items() if not gate.passed] == ["least_app_version"]
    words = "first version of your app for a contract other than release 1's (input petal_width is gone)"
    assert str(found["least_app_version"]) == f"{words}: 0, expected >= 2 (least_app_version)"
    assert headline(refused).startswith(f"refused: EdgeValidator: {words}")
    assert not {"min_accuracy_change", "min_p_if_worse", "max_latency_ratio"} & set(found)
    assert CandidateMeasurements.read(judged(refused)).baseline is None
    assert [facts_of(refused["OutcomeReport"]).outcome] == ["refused"]


def test_a_run_that_says_a_newer_app_releases_it_as_its_own_anchor(settings: Settings, released: Run) -> None:
    assert facts_of(released[MODEL.pusher]).outcome == "released"
    before, manifest = release(settings, 1).manifest, release(settings, 2).manifest
    assert (before.least_app_version, manifest.least_app_version) == (1, 2)
    assert (manifest.anchor, manifest.next_anchor) == (None, 2)
    assert manifest.app_contract == _THREE.app_contract
    assert [item.meaning and item.meaning.unit for item in manifest.inputs] == ["cm", "cm", "cm"]
    assert {gate.name: gate.passed for gate in manifest.gates}["least_app_version"]


def test_the_next_night_is_compared_as_usual(settings: Settings, released: Run, night: Night) -> None:
    usual = night("usual", _THREE, seed=2, min_accuracy_change=-1, min_p_if_worse=0, push="even if no better")
    found = gates(usual)
    assert "least_app_version" not in found and {"min_accuracy_change", "min_p_if_worse"} <= set(found)
    compared = CandidateMeasurements.read(judged(usual)).against_baseline
    assert compared and compared.sha256 == release(settings, 2).manifest.sha256
    assert facts_of(usual[MODEL.pusher]).outcome == "released"
    assert release(settings, 3).manifest.least_app_version == 2


def test_another_unit_of_the_same_file_is_another_contract(settings: Settings, released: Run, night: Night) -> None:
    refused = night("millimetres", in_millimetres(_THREE))
    [gate] = [gate for gate in gates(refused).values() if not gate.passed]
    assert '(input sepal_length: unit "mm" instead of "cm"): 0, expected >= 3' in str(gate)
    again = night("millimetres said", in_millimetres(_THREE), least_app_version=3)
    assert facts_of(again[MODEL.pusher]).outcome == "released"
    versions = Releases(settings.folders(MODEL.name).releases).versions()
    latest = release(settings, versions[-1]).manifest
    assert latest.least_app_version == 3 and latest.sha256 == release(settings, 2).manifest.sha256
