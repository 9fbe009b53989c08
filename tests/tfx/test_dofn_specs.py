# ruff: noqa: B008 - that is how Beam declares what a method wants
"""Our memo of Beam's DoFn inspection against Beam's own."""

import apache_beam as beam
import pytest
from apache_beam.coders import VarIntCoder
from apache_beam.transforms.timeutil import TimeDomain
from apache_beam.transforms.userstate import CombiningValueStateSpec, TimerSpec, on_timer

from pipeline_lib.tfx import dofn_specs


class Plain(beam.DoFn):
    def process(self, element, window=beam.DoFn.WindowParam):
        yield element


class Stateful(beam.DoFn):
    COUNT = CombiningValueStateSpec("count", VarIntCoder(), sum)
    EXPIRY = TimerSpec("expiry", TimeDomain.WATERMARK)

    def process(self, element, count=beam.DoFn.StateParam(COUNT), expiry=beam.DoFn.TimerParam(EXPIRY)):
        yield element

    @on_timer(EXPIRY)
    def expired(self, count=beam.DoFn.StateParam(COUNT)):
        count.clear()


class Wearing(beam.DoFn):
    """Its specs come from a method that an instance is given."""

    def __init__(self, method=None):
        if method:
            self.worn = method

    def process(self, element):
        yield element


class Twice(beam.DoFn):
    SAME = CombiningValueStateSpec("same", VarIntCoder(), sum)

    def process(self, element, one=beam.DoFn.StateParam(SAME), two=beam.DoFn.StateParam(SAME)):
        yield element


def _dofns():
    wrapped = [beam.Map(lambda x: x).fn, beam.FlatMap(lambda x, w=beam.DoFn.WindowParam: [x]).fn]
    return [Plain(), Stateful(), Wearing(Stateful().process), Wearing(), *wrapped]


def test_every_kind_of_dofn_is_answered_as_beam_answers_however_often_it_is_asked() -> None:
    for _ in range(2):
        for dofn in _dofns():
            assert dofn_specs.get_dofn_specs(dofn) == dofn_specs._beams_own(dofn), dofn


def test_a_class_is_inspected_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    beams_own = dofn_specs._beams_own
    monkeypatch.setattr(dofn_specs, "_by_class", {})
    monkeypatch.setattr(dofn_specs, "_beams_own", lambda dofn: asked.append(dofn) or beams_own(dofn))
    for _ in range(3):
        dofn_specs.get_dofn_specs(Stateful())
    assert len(asked) == 1


def test_an_answer_that_is_changed_is_not_remembered() -> None:
    dofn_specs.get_dofn_specs(Stateful())[0].clear()
    assert dofn_specs.get_dofn_specs(Stateful())[0] == {Stateful.COUNT}


def test_a_bad_dofn_is_refused_each_time() -> None:
    for _ in range(2):
        with pytest.raises(ValueError, match="duplicate process method parameters"):
            dofn_specs.get_dofn_specs(Twice())
