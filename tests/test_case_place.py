import json
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridopt.case_place import KeyPath, find_places, format_path, parse_path

TEXT = '''\
# [not.a.table]
title = """one ] " = [x]
\\""" two \\\\""""
a . b."c.d" = 1  # } , ]
'q k' = {x = [1, 2], y = {z = "}"}, "w" = 'a,b#'}

  [ event ]   # comment
lines = [
  "5-6", # ] comment
  [5,
   6],
  {n = 1, m.k = -2e3},
  \'\'\'
three \'\' four\'\'\'\'\',
  1,
]
[[resources.lines.candidates]]
from_bus = 1
[[resources.lines.candidates]]
sub.k = 2020-01-01 10:00:00
[resources.lines.candidates.other]
k = inf
[resources]
"ta\\u0062" = true'''

PLACES = {
    "title": 2,
    "a": 4,
    "a.b": 4,
    'a.b."c.d"': 4,
    '"q k"': 5,
    '"q k".x': 5,
    '"q k".x[0]': 5,
    '"q k".x[1]': 5,
    '"q k".y': 5,
    '"q k".y.z': 5,
    '"q k".w': 5,
    "event": 7,
    "event.lines": 8,
    "event.lines[0]": 9,
    "event.lines[1]": 10,
    "event.lines[1][0]": 10,
    "event.lines[1][1]": 11,
    "event.lines[2]": 12,
    "event.lines[2].n": 12,
    "event.lines[2].m": 12,
    "event.lines[2].m.k": 12,
    "event.lines[3]": 13,
    "event.lines[4]": 15,
    "resources": 17,
    "resources.lines": 17,
    "resources.lines.candidates": 17,
    "resources.lines.candidates[0]": 17,
    "resources.lines.candidates[0].from_bus": 18,
    "resources.lines.candidates[1]": 19,
    "resources.lines.candidates[1].sub": 20,
    "resources.lines.candidates[1].sub.k": 20,
    "resources.lines.candidates[1].other": 21,
    "resources.lines.candidates[1].other.k": 22,
    "resources.tab": 24,
}


def paths_in(data: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    if path:
        yield path
    items = data.items() if isinstance(data, dict) else enumerate(data)
    for key, value in items:
        if isinstance(value, dict | list):
            yield from paths_in(value, (*path, key))
        else:
            yield (*path, key)


def test_every_key_is_found_on_its_line() -> None:
    assert {format_path(path): line for path, line in find_places(TEXT).items()} == PLACES


def test_the_text_above_is_toml_with_just_these_keys() -> None:
    assert {format_path(path) for path in paths_in(tomllib.loads(TEXT))} == PLACES.keys()


@pytest.mark.parametrize("written", PLACES)
def test_paths_are_read_as_written(written: str) -> None:
    assert format_path(parse_path(written)) == written


KEYS = st.text("abc-_ .#[]=é", min_size=1, max_size=5)
TEXTS = st.text("ab ,]}#='\n\"\\", max_size=8)
VALUES = st.recursive(
    st.integers() | st.booleans() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


def inline(value: Any) -> str:
    """Write a value as TOML does; JSON's text is also TOML's."""
    if isinstance(value, dict):
        pairs = (f"{json.dumps(key)} = {inline(item)}" for key, item in value.items())
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, list):
        return "[ # ]\n" + ",\n".join(map(inline, value)) + "\n]" if value else "[]"
    return json.dumps(value)


@given(st.dictionaries(KEYS, st.dictionaries(KEYS, VALUES, max_size=3), max_size=3))
def test_any_data_gives_the_keys_that_tomllib_gives(data: dict[str, dict[str, Any]]) -> None:
    text, lines = "", {}
    for table, pairs in data.items():
        lines[(table,)] = text.count("\n") + 1
        text += f"[{json.dumps(table)}]\n"
        for key, value in pairs.items():
            lines[table, key] = text.count("\n") + 1
            text += f"{json.dumps(key)} = {inline(value)} # end\n"
    found = find_places(text)
    assert found.keys() == set(paths_in(tomllib.loads(text)))
    assert {path: found[path] for path in lines} == lines
