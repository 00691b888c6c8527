from __future__ import annotations

import math
import sqlite3

from hypothesis import given, settings
from hypothesis import strategies as st

from ray_remote_nni.records.encoding import decode_number, encode_number, from_json, to_json

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just("\ud800")
JSON = SCALARS | st.lists(SCALARS, max_size=3) | st.dictionaries(st.text(max_size=5), SCALARS, max_size=3)


@given(st.floats() | st.integers(-(2**63), 2**63 - 1))
def test_a_number_comes_back_from_the_database_as_it_was(value: float) -> None:
    connection = sqlite3.connect(":memory:")
    stored = connection.execute("SELECT ?", (encode_number(value),)).fetchone()[0]
    connection.close()
    decoded = decode_number(stored)
    assert decoded is not None
    assert decoded == value or (math.isnan(decoded) and math.isnan(value))
    assert type(decoded) is type(value)


@given(st.floats())
def test_a_number_in_the_database_sorts_as_a_number_or_not_at_all(value: float) -> None:
    assert isinstance(encode_number(value), float) == math.isfinite(value)


def test_no_number_stays_none() -> None:
    assert encode_number(None) is None
    assert decode_number(None) is None


@settings(max_examples=50)
@given(JSON)
def test_any_value_comes_back_from_its_json(value: object) -> None:
    text = to_json(value)
    assert text.isascii()
    assert repr(from_json(text)) == repr(value)
