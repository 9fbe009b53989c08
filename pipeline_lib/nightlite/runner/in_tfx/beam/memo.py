"""Caches for results that Beam computes again at every use.

For one small TFMA pipeline, Beam inspects 37,000 signatures of a few hundred functions. To ask whether a DoFn is
stateful, it inspects all its methods. It also parses the same flags with 1,200 new argument parsers. Both take a
third of a small Evaluator's time. Beam also searches all of Python's modules for each function that it pickles. It
does the same for each value whose size it needs. The replacements return the same answers.

Upstream: cloudpipe/cloudpickle#576, open, for the pickling; none filed for the rest. For Beam 2.77 and objsize 0.7.
"""

import copy
import functools
import inspect
import sys
import types
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any, cast

import objsize.traverse
from apache_beam.internal.cloudpickle import cloudpickle
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.common import MethodWrapper
from apache_beam.transforms import core, userstate

ArgsDefaults = tuple[list[str], list[Any]]

beams_args_defaults: Callable[[Any], ArgsDefaults] = core.get_function_args_defaults
beams_view_as: Callable[[PipelineOptions, type[PipelineOptions]], PipelineOptions] = PipelineOptions.view_as
_of_functions: weakref.WeakKeyDictionary[types.FunctionType, ArgsDefaults] = weakref.WeakKeyDictionary()
_of_methods: weakref.WeakKeyDictionary[types.FunctionType, ArgsDefaults] = weakref.WeakKeyDictionary()


def get_function_args_defaults(f: Any) -> ArgsDefaults:
    """Return the arguments' names and defaults, as `core.get_function_args_defaults`. Raises the same errors."""
    function = f.__func__ if isinstance(f, types.MethodType) else f
    if not isinstance(function, types.FunctionType):
        return beams_args_defaults(f)
    known = _of_functions if function is f else _of_methods
    if function not in known:
        known[function] = beams_args_defaults(f)
    args, defaults = known[function]
    return list(args), list(defaults)


def view_as(self: PipelineOptions, cls: type[PipelineOptions]) -> PipelineOptions:
    """Return the same options as another class, whose names can be read and set, as `PipelineOptions.view_as`."""
    flags = self._flags
    if flags is None or "__init__" in vars(cls):  # None stands for sys.argv
        return beams_view_as(self, cls)
    parsed = _parsed(cast(Any, cls), tuple(flags))
    view: PipelineOptions = object.__new__(cls)
    # All views of one options object share a list value, but two objects never do.
    missing = {name: value for name, value in vars(parsed).items() if name not in self._all_options}
    self._all_options.update(copy.deepcopy(missing))
    vars(view).update(_flags=flags, _visible_options=copy.copy(parsed), _all_options=self._all_options)
    return view


@functools.cache
def _parsed(cls: Any, flags: tuple[str, ...]) -> Any:
    return cls(list(flags))._visible_options


def get_dofn_specs(dofn: core.DoFn) -> tuple[set[Any], set[Any]]:
    """Return the state and timer specs that a DoFn's methods name, as `userstate.get_dofn_specs`.

    Raises the same errors.
    """
    states: set[Any] = set()
    timers: set[Any] = set()
    for name in {*_asked(cast(Any, type(dofn))), *getattr(dofn, "__dict__", ())}:
        if not isinstance(getattr(dofn, name, None), types.MethodType):
            continue
        wanted = [item for item in MethodWrapper(dofn, name).defaults if isinstance(item, core._DoFnParam)]
        ids = [item.param_id for item in wanted]
        if len(ids) != len(set(ids)):
            raise ValueError(f"DoFn {dofn!r} has duplicate {name} method parameters: {ids}.")
        states.update(item.state_spec for item in wanted if isinstance(item, core._StateDoFnParam))
        timers.update(item.timer_spec for item in wanted if isinstance(item, core._TimerDoFnParam))
    return states, timers


@functools.cache
def _asked(cls: Any) -> tuple[str, ...]:
    """Return the names to inspect on an instance: all but non-methods and methods without Beam's parameters."""
    return tuple(name for name in dir(cls) if hasattr(cls, f"_inspect_{name}") or not _is_plain(cls, name))


def _is_plain(cls: Any, name: str) -> bool:
    attribute = inspect.getattr_static(cls, name)
    function = attribute.__func__ if isinstance(attribute, classmethod) else attribute
    if isinstance(function, types.FunctionType):
        return not any(isinstance(value, core._DoFnParam) for value in get_function_args_defaults(function)[1])
    return isinstance(attribute, staticmethod) or not hasattr(type(attribute), "__get__")


def find_imported_submodules(code: types.CodeType, dependencies: Iterable[Any]) -> list[types.ModuleType]:
    """Return the dependencies that the code names, in no certain order, as `cloudpickle._find_imported_submodules`."""
    return [
        sys.modules[name]
        for module in dependencies
        if isinstance(module, types.ModuleType) and getattr(module, "__package__", None)
        for name in _named_below(module.__name__, code.co_names)
    ]


def _named_below(package: str, names: tuple[str, ...]) -> Iterator[str]:
    for name in names:
        if (module := f"{package}.{name}") in sys.modules:
            yield module
            yield from _named_below(module, names)


def iter_modules_globals() -> tuple[dict[str, Any], ...]:
    """Return the globals that are no part of any value's size, as `objsize.traverse._iter_modules_globals`."""
    return _globals_of(len(sys.modules))


@functools.lru_cache(maxsize=1)
def _globals_of(_modules: int) -> tuple[dict[str, Any], ...]:
    return tuple(_objsizes_globals())


_objsizes_globals: Callable[[], Iterator[dict[str, Any]]] = objsize.traverse._iter_modules_globals


# (module or class of Beam's or objsize's, name in it, replacement)
REPLACEMENTS = (
    (core, "get_function_args_defaults", get_function_args_defaults),
    (PipelineOptions, "view_as", view_as),
    (userstate, "get_dofn_specs", get_dofn_specs),
    (cloudpickle, "_find_imported_submodules", find_imported_submodules),
    (objsize.traverse, "_iter_modules_globals", iter_modules_globals),
)


def install() -> None:
    """Install all replacements in this process. Repeating it changes nothing."""
    for owner, name, ours in REPLACEMENTS:
        setattr(owner, name, ours)
