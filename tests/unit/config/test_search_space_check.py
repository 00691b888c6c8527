"""NNI's rules for a search space."""

from __future__ import annotations

from typing import Any

import pytest

from ray_remote_nni.config.search_space import TYPES, check_search_space


def errors(space: Any) -> list[tuple[tuple[str | int, ...], str]]:
    return [(p.path, p.message) for p in check_search_space(space)[1] if p.level == "error"]


def warnings(space: Any) -> list[tuple[tuple[str | int, ...], str]]:
    return [(p.path, p.message) for p in check_search_space(space)[1] if p.level == "warning"]


GOOD: dict[str, list[Any]] = {
    "choice": ["a", 1, 1.0, True, None, [1, 2], {"x": 1}],
    "randint": [-3, 5],
    "uniform": [0, 1.5],
    "quniform": [0, 10, 0.5],
    "loguniform": [1e-5, 1],
    "qloguniform": [1, 100, 3],
    "normal": [-1, 2],
    "qnormal": [0, 1, 0.1],
    "lognormal": [-3, 1],
    "qlognormal": [0, 1, 2],
}


@pytest.mark.parametrize("kind", TYPES)
def test_all_ten_types_are_accepted_and_stay_as_they_are(kind: str) -> None:
    space = {"x": {"_type": kind, "_value": GOOD[kind]}}
    checked, problems = check_search_space(space)
    assert problems == []
    assert repr(checked) == repr(space)


def test_choices_nest_to_any_depth() -> None:
    space: dict[str, Any] = {"_name": "leaf", "rate": {"_type": "uniform", "_value": [0, 1]}}
    for depth in range(20):
        space = {"_name": f"level {depth}", "inner": {"_type": "choice", "_value": [space, {"_name": "none"}]}}
    whole = {"layer": {"_type": "choice", "_value": [space, {"_name": "empty"}]}}
    checked, problems = check_search_space(whole)
    assert problems == []
    assert checked == whole


def test_an_error_in_a_nested_choice_has_the_path_to_it() -> None:
    inner = {"_name": "conv", "size": {"_type": "uniform", "_value": [3, 1]}}
    space = {"layer": {"_type": "choice", "_value": [{"_name": "empty"}, inner]}}
    [(path, message)] = errors(space)
    assert path == ("layer", "_value", 1, "size", "_value", 0)
    assert message == "low must be below high, found 3 and 1"


@pytest.mark.parametrize("kind", [kind for kind in TYPES if kind != "choice"])
def test_a_range_has_exactly_its_values(kind: str) -> None:
    for wrong in (GOOD[kind][:-1], [*GOOD[kind], 1], []):
        [(path, message)] = errors({"x": {"_type": kind, "_value": wrong}})
        assert path == ("x", "_value")
        assert f"found {len(wrong)}" in message


@pytest.mark.parametrize(
    ("kind", "value", "path", "words"),
    [
        ("uniform", [1, 1], 0, "low must be below high"),
        ("randint", [5, 5], 0, "low must be below high, which is excluded itself"),
        ("randint", [0, 1.5], 1, "found 1.5; accepted: a whole number for high"),
        ("randint", [True, 3], 0, "found true; accepted: a whole number for low"),
        ("uniform", ["a", 1], 0, 'found "a"; accepted: a number for low'),
        ("uniform", [0, float("inf")], 1, "accepted: a number for high"),
        ("uniform", [0, float("nan")], 1, "accepted: a number for high"),
        ("uniform", [None, 1], 0, "found null"),
        ("uniform", [[0], 1], 0, "found a list of 1"),
        ("loguniform", [0, 1], 0, "low must be above 0, found"),
        ("qloguniform", [-1, 1, 1], 0, "low must be above 0, found"),
        ("quniform", [0, 1, 0], 2, "q, the step, must be above 0"),
        ("normal", [0, 0], 1, "sigma must be above 0"),
        ("qlognormal", [0, -1, 1], 1, "sigma must be above 0"),
    ],
)
def test_a_range_that_makes_no_sense(kind: str, value: list[Any], path: int, words: str) -> None:
    [(where, message)] = errors({"x": {"_type": kind, "_value": value}})
    assert where == ("x", "_value", path)
    assert words in message


@pytest.mark.parametrize(
    ("spec", "path", "words"),
    [
        (3, (), "found 3; accepted: a mapping with _type and _value"),
        ([1, 2], (), "found a list of 2"),
        ({}, (), "_type or _value is missing"),
        ({"_type": "choice"}, (), "_value is missing"),
        ({"_value": [1]}, (), "_type is missing"),
        ({"_type": "choice", "_values": [1]}, ("_values",), "no such field"),
        ({"_type": "unifrom", "_value": [0, 1]}, ("_type",), 'found "unifrom"; accepted: choice, randint'),
        ({"_type": ["choice"], "_value": [0, 1]}, ("_type",), "found a list of 1"),
        ({"_type": "layer_choice", "_value": [0, 1]}, ("_type",), "architecture search"),
        ({"_type": "choice", "_value": {"a": 1}}, ("_value",), "found a mapping; accepted: a list"),
        ({"_type": "choice", "_value": []}, ("_value",), "at least one value"),
        ({"_type": "choice", "_value": [{"_name": "a"}, 3]}, ("_value", 1), "has no _name"),
        ({"_type": "choice", "_value": [{"_name": "a", "b": 3}]}, ("_value", 0, "b"), "found 3"),
        ({"_type": "choice", "_value": [{"_name": [1]}]}, ("_value", 0, "_name"), "accepted: a name"),
    ],
)
def test_a_parameter_that_makes_no_sense(spec: Any, path: tuple[str | int, ...], words: str) -> None:
    [(where, message)] = errors({"x": spec})
    assert where == ("x", *path)
    assert words in message


def test_a_space_that_is_no_mapping_is_an_error() -> None:
    assert errors([1]) == [((), "found a list of 1; accepted: a mapping of parameter names")]
    assert len(errors(None)) == 1


def test_all_errors_of_a_space_come_at_once() -> None:
    assert len(errors({"a": 1, "b": {"_type": "x", "_value": []}, "c": {"_type": "uniform", "_value": [1, 0]}})) == 3


def test_numbers_that_yaml_reads_as_text_are_numbers_in_a_range() -> None:
    space = {
        "lr": {"_type": "loguniform", "_value": ["1e-4", "1e-1"]},
        "n": {"_type": "randint", "_value": ["1e1", 20.0]},
    }
    checked, problems = check_search_space(space)
    assert problems == []
    assert checked["lr"]["_value"] == [1e-4, 0.1]
    assert repr(checked["n"]["_value"]) == "[10, 20]"


def test_numbers_that_yaml_reads_as_text_stay_text_in_a_choice_with_a_warning() -> None:
    space = {"lr": {"_type": "choice", "_value": ["1e-4", 0.1]}}
    assert check_search_space(space)[0] == space
    assert warnings(space) == [(("lr", "_value", 0), 'trials get the text "1e-4", not a number')]


def test_what_is_allowed_but_odd_gets_a_warning() -> None:
    assert warnings({}) != []
    assert "only one value" in warnings({"x": {"_type": "choice", "_value": [3]}})[0][1]
    assert "3 is there twice" in warnings({"x": {"_type": "choice", "_value": [3, 4, 3]}})[0][1]
    assert warnings({"x": {"_type": "choice", "_value": [1, 1.0, True]}}) == []
    assert "ignored" in warnings({"x": {"_type": "choice", "_value": [1, 2], "comment": "mine"}})[0][1]
