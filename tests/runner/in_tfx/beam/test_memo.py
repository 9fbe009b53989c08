# ruff: noqa: B008 - that is how Beam declares what a method wants
"""Our memos of what Beam works out against Beam's own answers."""

import inspect
import os
import sys
import types
import xml.dom.minidom
from collections import Counter

import apache_beam
import apache_beam as beam
import objsize
import pytest
from apache_beam.coders import VarIntCoder
from apache_beam.internal.cloudpickle import cloudpickle
from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions, SetupOptions, StandardOptions
from apache_beam.transforms import core, userstate
from apache_beam.transforms.timeutil import TimeDomain
from apache_beam.transforms.userstate import CombiningValueStateSpec, TimerSpec, on_timer

from nightlite.runner.in_tfx.beam import memo as beam_memo

# Beam's own, before anything here puts ours in their place.
BEAMS_SPECS = userstate.get_dofn_specs
BEAMS_SUBMODULES = cloudpickle._find_imported_submodules
OBJSIZES_GLOBALS = objsize.traverse._iter_modules_globals


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


class Odd(beam.DoFn):
    """Methods that are not plain functions of its class."""

    @classmethod
    def of_the_class(cls, count=beam.DoFn.StateParam(Stateful.COUNT)):
        return count

    @staticmethod
    def nobodys(count=beam.DoFn.StateParam(Stateful.COUNT)):
        return count

    @property
    def made(self):
        return Stateful().expired

    inherited = Stateful.process
    _inspect_setup = staticmethod(lambda: (["self", "x"], [beam.DoFn.TimerParam(Stateful.EXPIRY)]))

    def process(self, element):
        yield element


class Twice(beam.DoFn):
    SAME = CombiningValueStateSpec("same", VarIntCoder(), sum)

    def process(self, element, one=beam.DoFn.StateParam(SAME), two=beam.DoFn.StateParam(SAME)):
        yield element


@pytest.fixture
def memo(monkeypatch: pytest.MonkeyPatch) -> None:
    """Install the caches for one test, because pytest's process is not a node's."""
    for owner, name, _ in beam_memo.REPLACEMENTS:
        monkeypatch.setattr(owner, name, getattr(owner, name))
    beam_memo.install()


def _dofns():
    wrapped = [beam.Map(lambda x: x).fn, beam.FlatMap(lambda x, w=beam.DoFn.WindowParam: [x]).fn]
    return [Plain(), Stateful(), Odd(), Wearing(Stateful().process), Wearing(), *wrapped]


@pytest.mark.parametrize("function", [Stateful.process, Stateful().process, lambda x, y=3, *z, w=4: x, str.upper, int])
def test_a_functions_arguments_are_beams_however_often_they_are_asked_for(function) -> None:
    for _ in range(2):
        assert beam_memo.get_function_args_defaults(function) == beam_memo.beams_args_defaults(function)


def test_every_kind_of_dofn_has_the_specs_that_beam_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    dofns = _dofns()
    beams = [BEAMS_SPECS(dofn) for dofn in dofns]
    assert len([states for states, timers in beams if states or timers]) == 3
    monkeypatch.setattr(core, "get_function_args_defaults", beam_memo.get_function_args_defaults)
    for _ in range(2):
        assert [BEAMS_SPECS(dofn) for dofn in dofns] == beams
        assert [beam_memo.get_dofn_specs(dofn) for dofn in dofns] == beams


def _names_many(x):
    return os.path.join(str(x), apache_beam.transforms.core.__name__, xml.dom.minidom.__name__, os.sep)


@pytest.mark.parametrize("function", [_names_many, core.DoFn.to_runner_api_parameter, beam_memo.install, lambda x: x])
def test_a_pickled_functions_submodules_are_those_that_beam_finds(function) -> None:
    names = function.__code__.co_names
    dependencies = [module for name in names if (module := sys.modules.get(name))] + [os, apache_beam, xml, 3, None]
    ours = beam_memo.find_imported_submodules(function.__code__, dependencies)
    beams = BEAMS_SUBMODULES(function.__code__, dependencies)
    assert Counter(map(id, ours)) == Counter(map(id, beams))
    assert (xml.dom.minidom in ours) == (function is _names_many)


def test_a_values_size_is_what_objsize_says(memo: None, monkeypatch: pytest.MonkeyPatch) -> None:
    values = [[1, "two"], vars(core), {"module": vars(os), "list": [b"x" * 1000]}, Plain()]
    ours = [objsize.get_deep_size(value) for value in values]
    monkeypatch.setitem(sys.modules, "one_more", types.ModuleType("one_more"))
    fresh = objsize.get_deep_size(vars(sys.modules["one_more"]))
    monkeypatch.setattr(objsize.traverse, "_iter_modules_globals", OBJSIZES_GLOBALS)
    assert [objsize.get_deep_size(value) for value in values] == ours
    assert objsize.get_deep_size(vars(sys.modules["one_more"])) == fresh == 0


def test_a_function_is_inspected_once(monkeypatch: pytest.MonkeyPatch, memo: None) -> None:
    asked = []
    beams_own = beam_memo.beams_args_defaults
    monkeypatch.setattr(beam_memo, "beams_args_defaults", lambda f: asked.append(f) or beams_own(f))

    class Fresh(beam.DoFn):
        def process(self, element):
            yield element

    for _ in range(3):
        assert not userstate.is_stateful_dofn(Fresh())
    assert len([f for f in asked if getattr(f, "__func__", f) is Fresh.process]) == 1


def test_an_answer_that_is_changed_is_not_remembered() -> None:
    beam_memo.get_function_args_defaults(Plain.process)[0].clear()
    assert beam_memo.get_function_args_defaults(Plain.process)[0] == ["self", "element", "window"]


def test_a_bad_dofn_is_refused_each_time(memo: None) -> None:
    for _ in range(2):
        with pytest.raises(ValueError, match="duplicate process method parameters"):
            userstate.get_dofn_specs(Twice())


@pytest.mark.parametrize("flags", [[], ["--direct_num_workers=3", "--runner=DirectRunner", "--unknown=1"]])
def test_every_view_has_the_values_that_beam_gives_it(flags: list[str]) -> None:
    for kind in _options_classes():
        ours, beams = PipelineOptions(list(flags)), PipelineOptions(list(flags))
        view, expected = beam_memo.view_as(ours, kind), beam_memo.beams_view_as(beams, kind)
        assert type(view) is type(expected)
        assert view.get_all_options() == expected.get_all_options(), kind
        assert sorted(ours._all_options) == sorted(beams._all_options), kind


def _options_classes():
    """Return all but those that refuse to exist without flags of their own, for Beam too."""
    kinds = []
    for kind in PipelineOptions.__subclasses__():
        try:
            kind([])
        except SystemExit:
            continue
        kinds.append(kind)
    assert {DirectOptions, SetupOptions, StandardOptions} <= set(kinds)
    return kinds


def test_what_one_view_sets_another_view_of_it_has_and_a_new_object_has_not(memo: None) -> None:
    options = PipelineOptions([])
    options.view_as(DirectOptions).direct_num_workers = 7
    options.view_as(beam.options.pipeline_options.DebugOptions).add_experiment("mine")
    assert options.view_as(DirectOptions).direct_num_workers == 7
    fresh = PipelineOptions([])
    assert fresh.view_as(DirectOptions).direct_num_workers != 7
    assert not fresh.view_as(beam.options.pipeline_options.DebugOptions).experiments


def test_beam_still_inspects_a_function_at_every_question(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    signature = core.get_signature
    monkeypatch.setattr(core, "get_signature", lambda f: asked.append(f) or signature(f))
    for _ in range(3):
        beam_memo.beams_args_defaults(Plain.process)
    assert len(asked) == 3


def test_beam_still_looks_through_all_modules_for_each_function_and_each_size() -> None:
    assert "in list(sys.modules)" in inspect.getsource(BEAMS_SUBMODULES)
    assert "sys.modules.values()" in inspect.getsource(OBJSIZES_GLOBALS)
