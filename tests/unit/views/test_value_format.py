from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ray_remote_nni.views.format import clean, duration, flatten, number, one_line, parameters_line, whole_duration


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "–"),
        (-5, "0.00 s"),
        (0.042, "0.04 s"),
        (0.996, "1.0 s"),
        (9.949, "9.9 s"),
        (9.95, "10 s"),
        (42, "42 s"),
        (59.6, "1 min 00 s"),
        (724, "12 min 04 s"),
        (3599.7, "1 h 00 min"),
        (3780, "1 h 03 min"),
        (86400 * 2 + 3600 * 5, "2 d 05 h"),
    ],
)
def test_durations_are_for_people(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


def test_a_ticking_clock_has_no_fractions() -> None:
    assert [whole_duration(seconds) for seconds in (-1, 0.3, 1.2, 59.4)] == ["0 s", "0 s", "1 s", "59 s"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.9833333333, "0.983333"),
        (12, "12"),
        (True, "true"),
        (None, "–"),
        (float("nan"), "NaN"),
        (float("-inf"), "-Infinity"),
        ({"default": 0.5, "loss": 1}, "0.5"),
        ({"loss": 1}, "–"),
        ("relu", "relu"),
        ([1, "ä"], '[1, "ä"]'),
    ],
)
def test_numbers_are_short(value: object, text: str) -> None:
    assert number(value) == text


def test_nested_parameters_become_one_level() -> None:
    parameters = {
        "lr": 0.1,
        "layer": {"_name": "conv", "size": 3, "act": {"_name": "relu"}},
        "plain": {"a": {"b": 1}},
        "empty": {},
        "list": [1, {"x": 2}],
    }
    assert flatten(parameters) == {
        "lr": 0.1,
        "layer": "conv",
        "layer.size": 3,
        "layer.act": "relu",
        "plain.a.b": 1,
        "empty": {},
        "list": [1, {"x": 2}],
    }


def test_parameters_fit_into_a_line() -> None:
    parameters = {"lr": 0.0123456789, "layer": {"_name": "conv", "size": 3}, "note": "two\nlines", "flag": True}
    assert parameters_line(parameters) == "lr=0.0123457 layer=conv layer.size=3 note=two lines flag=true"


def test_escape_sequences_never_reach_the_terminal() -> None:
    assert clean("\x1b[31mred\x1b[0m \x1b]0;title\x07bell\x07 \x1b(B\x9b1mend") == "red bell end"
    assert clean("10%\r50%\r100%\r\ndone\r\n") == "100%\ndone\n"


@given(st.text())
def test_clean_text_holds_no_control_character_but_newlines(text: str) -> None:
    assert not [
        character for character in clean(text) if (character < " " and character != "\n") or character == "\x7f"
    ]
    assert "\n" not in one_line(text)
