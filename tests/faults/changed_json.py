"""JSON documents as an enemy changes them: odd values in odd places, and texts that would leave a trace if they ran."""

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

# The same documents each time, however slow the machine.
FUZZ = settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
# What would leave a trace if anything ever evaluated, imported, unpickled, rendered or ran it.
HOSTILE = (
    "__import__('os').mkdir('RAN')",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{% for x in ().__class__.__base__.__subclasses__() %}{% endfor %}",
    "$(mkdir RAN)",
    "`mkdir RAN`; mkdir RAN #",
    "!!python/object/apply:os.mkdir ['RAN']",
    "cos\nmkdir\n(S'RAN'\ntR.",
    "../../../../etc/passwd",
    "a" * 300,
    "\0",
    "\u202egnp.exe",
    "é\u0301ß漢",
    "(a+)+$",
    "^(([a-z])+.)+[A-Z]([a-z])+$",
    "https://198.51.100.1/schema.json",
    "",
)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([2**63, -(2**63), 10**400, 1e308, float("inf"), float("nan")]),
    st.floats(),
    st.sampled_from(HOSTILE),
    st.text(max_size=40),
)
KEYS = (
    "type id name default json_schema upstream enum minimum pattern $ref $schema x __type __var __class__ "
    "schema_version dag_id format description title given_by"
)
names = st.sampled_from(KEYS.split())
values = st.recursive(
    scalars, lambda item: st.lists(item, max_size=4) | st.dictionaries(names, item, max_size=4), max_leaves=8
)


def changes(levels: int) -> st.SearchStrategy[Any]:
    """A way down the document (a number per level, taken modulo what is there), and what to do at its end."""
    way = st.lists(st.integers(0, 40), min_size=1, max_size=levels)
    return st.tuples(way, st.sampled_from("srda"), names, values)


def changed(document: Any, way: list[int], kind: str, name: str, value: Any) -> None:
    """Replace, rename, delete or add, at the end of the way."""
    here = document
    for number in way[:-1]:
        keys = list(here) if isinstance(here, dict) else list(range(len(here)))
        below = here[keys[number % len(keys)]] if keys else None
        if not isinstance(below, dict | list) or not below:
            break
        here = below
    keys = list(here) if isinstance(here, dict) else list(range(len(here)))
    key = keys[way[-1] % len(keys)]
    match kind:
        case "s":
            here[key] = value
        case "d":
            del here[key]
        case "r" if isinstance(here, dict):
            here[name] = here.pop(key)
        case _ if isinstance(here, dict):
            here[name] = value
        case _:
            here.append(value)
