"""JSON with places."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ray_remote_nni.config.json_source import parse_json
from ray_remote_nni.config.located import LocatedDict, Source, to_plain
from ray_remote_nni.config.yaml_source import Unparsable

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@settings(max_examples=30, deadline=None)
@given(_JSON, st.sampled_from([None, 0, 2, "\t"]))
def test_the_values_are_those_of_the_standard_library(value: Any, indent: int | str | None) -> None:
    text = json.dumps(value, indent=indent)
    assert repr(to_plain(parse_json(text))) == repr(json.loads(text))


def test_each_value_knows_its_place() -> None:
    text = '{\n  "a": {"_type": "choice",\n        "_value": [1,\n  "x"]}\n}'
    root = parse_json(text)
    assert isinstance(root, LocatedDict)
    source = Source("f", root)
    assert source.mark_of_key(("a",)).line == 2
    assert (source.mark_of_value(("a", "_value", 1)).line, source.mark_of_value(("a", "_value", 1)).column) == (4, 3)


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [('{\n"a": [1 2]}', 2, 9), ("nope", 1, 1), ('{"a": 1, "a": 2}', 1, 10)],
)
def test_broken_json_is_explained_with_its_place(text: str, line: int, column: int) -> None:
    with pytest.raises(Unparsable) as caught:
        parse_json(text)
    assert (caught.value.flaws[0].mark.line, caught.value.flaws[0].mark.column) == (line, column)


def test_nesting_without_end_is_an_error_and_no_crash() -> None:
    parse_json("[" * 190 + "]" * 190)
    for depth in (300, 3000, 100_000):
        with pytest.raises(Unparsable, match="nested more than 200 deep"):
            parse_json("[" * depth + "]" * depth)
