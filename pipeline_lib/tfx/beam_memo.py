"""What Beam works out anew at every use, once: the parameters of a function, and the parsed flags of an options class.

Building and running one small TFMA pipeline, Beam inspects 37,000 signatures, of a few hundred functions (to ask
whether a DoFn is stateful, it inspects all its methods), and parses the same flags with 1,200 new argument parsers:
together a third of a small Evaluator's time. Both answers depend on nothing else than the function, or the class and
the flags.
"""

import copy
import functools
import types
import weakref
from collections.abc import Callable
from typing import Any, cast

from apache_beam.options import pipeline_options
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.transforms import core

ArgsDefaults = tuple[list[str], list[Any]]

_beams_args_defaults: Callable[[Any], ArgsDefaults] = core.get_function_args_defaults
_beams_view_as: Callable[[PipelineOptions, type[PipelineOptions]], PipelineOptions] = PipelineOptions.view_as
_of_functions: weakref.WeakKeyDictionary[types.FunctionType, ArgsDefaults] = weakref.WeakKeyDictionary()
_of_methods: weakref.WeakKeyDictionary[types.FunctionType, ArgsDefaults] = weakref.WeakKeyDictionary()


def get_function_args_defaults(f: Any) -> ArgsDefaults:
    """`core.get_function_args_defaults`: names of the arguments, and defaults. Raises what Beam's own raises."""
    function = f.__func__ if isinstance(f, types.MethodType) else f
    if not isinstance(function, types.FunctionType):
        return _beams_args_defaults(f)
    known = _of_functions if function is f else _of_methods
    if function not in known:
        known[function] = _beams_args_defaults(f)
    args, defaults = known[function]
    return list(args), list(defaults)


def view_as(self: PipelineOptions, cls: type[PipelineOptions]) -> PipelineOptions:
    """`PipelineOptions.view_as`: the same options as another class, with whose names they can be read and set."""
    flags = self._flags
    if flags is None or "__init__" in vars(cls):  # None stands for sys.argv
        return _beams_view_as(self, cls)
    parsed = _parsed(cast(Any, cls), tuple(flags))
    view: PipelineOptions = object.__new__(cls)
    # A value that is a list is shared by all the views of one options object, but never by two objects.
    missing = {name: value for name, value in vars(parsed).items() if name not in self._all_options}
    self._all_options.update(copy.deepcopy(missing))
    vars(view).update(_flags=flags, _visible_options=copy.copy(parsed), _all_options=self._all_options)
    return view


@functools.cache
def _parsed(cls: Any, flags: tuple[str, ...]) -> Any:
    return cls(list(flags))._visible_options


def install() -> None:
    """Put both in the place of Beam's, in this process; doing so again changes nothing."""
    core.get_function_args_defaults = get_function_args_defaults
    pipeline_options.PipelineOptions.view_as = view_as
