from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spaces import NESTED, SMALL, SMALL_SIZE, choice, search_spaces

from ray_remote_nni.errors import UsageError
from ray_remote_nni.testing import assert_legal
from ray_remote_nni.tuner.space import Choice, Integer, Normal, OutsideSpace, Uniform, parse_search_space

numbers = st.floats(-1e5, 1e5, allow_nan=False)
steps = st.floats(1e-2, 1e2)


@given(low=numbers, width=st.floats(1e-3, 1e5), step=steps, number=numbers)
def test_quniform_is_rounded_to_the_step_and_then_clipped(low: float, width: float, step: float, number: float) -> None:
    expected = min(max(round(number / step) * step, low), low + width)
    assert Uniform(low, low + width, step=step).value(number) == expected


@given(low=st.floats(1e-3, 1e3), factor=st.floats(1.01, 1e3), step=steps, number=st.floats(1e-3, 1e6))
def test_qloguniform_is_rounded_in_linear_scale_and_then_clipped(
    low: float, factor: float, step: float, number: float
) -> None:
    expected = min(max(round(number / step) * step, low), low * factor)
    assert Uniform(low, low * factor, log=True, step=step).value(number) == expected


@given(step=steps, number=numbers)
def test_qnormal_is_rounded_to_the_step_and_not_clipped(step: float, number: float) -> None:
    assert Normal(0, 1, step=step).value(number) == round(number / step) * step


@given(low=st.integers(-(2**31), 2**31), size=st.integers(1, 2**31), number=numbers)
def test_randint_is_an_integer_that_leaves_out_the_upper_bound(low: int, size: int, number: float) -> None:
    value = Integer(low, low + size).value(number)
    assert type(value) is int
    assert low <= value < low + size


def test_a_step_never_gives_a_negative_zero() -> None:
    assert json.dumps([Uniform(-1, 1, step=1).value(-0.2), Normal(0, 1, step=1).value(-0.2)]) == "[0.0, 0.0]"


@pytest.mark.parametrize(
    ("low", "high", "step", "values"),
    [
        (0, 1, 0.25, [0, 0.25, 0.5, 0.75, 1]),
        (0.5, 3.2, 1, [1, 2, 3]),
        (0.4, 3.6, 1, [0.4, 1, 2, 3, 3.6]),
        (0, 1.5, 1, [0, 1]),
        (0, 1, 5, [0]),
        (0.5, 0.6, 1, [0.6]),
    ],
)
def test_the_values_of_a_quniform_can_be_counted_out(low: float, high: float, step: float, values: list[float]) -> None:
    domain = Uniform(low, high, step=step)
    size = domain.size
    assert size == len(values)
    assert [domain.value(domain.level(index)) for index in range(size)] == values
    drawn = {domain.value(number) for number in np.linspace(low, high, 997)[1:-1]}
    assert drawn == set(values)


def test_a_choice_tells_apart_what_json_tells_apart() -> None:
    values = (1, 1.0, True, "1", None, [1], {"a": 1})
    domain = Choice(values)
    assert [domain.number(value) for value in values] == list(range(len(values)))


def test_a_choice_gives_its_values_as_they_are_in_the_file_and_keeps_its_own_copy() -> None:
    space = parse_search_space({"layers": choice([64, 32], {"a": [1]})})
    given = space.decode([0.0])
    given["layers"].append(16)
    assert space.decode([0.0]) == {"layers": [64, 32]}


def test_objects_are_nested_choices_only_if_all_of_them_have_a_name() -> None:
    values = [{"_name": "a"}, {"size": 1}]
    space = parse_search_space({"x": choice(*values)})
    assert [space.decode([float(index)])["x"] for index in range(2)] == values


def test_the_branch_of_a_nested_choice_comes_with_its_name_first() -> None:
    space = parse_search_space(NESTED)
    indices = {p.name: p.index for p in space.parameters}
    point = [math.nan] * len(space.parameters)
    point[indices["model"]], point[indices["width"]], point[indices["head"]] = 2.0, 64.0, 1.0
    point[indices["layers"]], point[indices["drop"]], point[indices["scale"]] = 2.0, 0.25, 1.0
    parameters = space.decode(point)
    assert json.dumps(parameters) == (
        '{"model": {"_name": "net", "width": 64, "head": {"_name": "deep", "layers": 2, "drop": 0.25}}, "scale": false}'
    )
    assert np.array_equal(space.encode(parameters), point, equal_nan=True)


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"kind": {"_name": "a"}, "flag": "on"},
        {"kind": {"_name": "a"}, "flag": "on", "step": 0.5, "more": 1},
        {"kind": {"_name": "c"}, "flag": "on", "step": 0.5},
        {"kind": "a", "flag": "on", "step": 0.5},
        {"kind": {"_name": "b"}, "flag": "on", "step": 0.5},
        {"kind": {"_name": "b", "n": 3}, "flag": "on", "step": 0.5},
        {"kind": {"_name": "b", "n": 1.5}, "flag": "on", "step": 0.5},
        {"kind": {"_name": "a"}, "flag": "maybe", "step": 0.5},
        {"kind": {"_name": "a"}, "flag": "on", "step": 2},
        {"kind": {"_name": "a"}, "flag": "on", "step": "much"},
        {"kind": {"_name": "a"}, "flag": "on", "step": math.nan},
    ],
)
def test_parameters_that_do_not_fit_are_told_apart(parameters: dict[str, Any]) -> None:
    with pytest.raises(OutsideSpace):
        parse_search_space(SMALL).encode(parameters)


def test_a_finite_space_counts_its_configurations_out_once_each() -> None:
    space = parse_search_space(SMALL)
    assert space.size == SMALL_SIZE
    found = [space.decode(space.configuration(index)) for index in range(SMALL_SIZE)]
    assert len({json.dumps(parameters) for parameters in found}) == SMALL_SIZE
    for parameters in found:
        assert_legal(SMALL, parameters)


def test_a_space_with_one_continuous_parameter_in_a_branch_has_no_size() -> None:
    assert parse_search_space(NESTED).size is None


def test_a_space_larger_than_64_bits_is_counted_exactly() -> None:
    space = parse_search_space({f"x{index}": {"_type": "randint", "_value": [0, 2**31]} for index in range(4)})
    assert space.size == 2**124
    last = space.decode(space.configuration(2**124 - 1))
    assert set(last.values()) == {2**31 - 1}


@settings(max_examples=60, deadline=None)
@given(search_spaces(), st.data())
def test_what_was_settled_once_stays_as_it_is(raw: dict[str, Any], data: st.DataObject) -> None:
    space = parse_search_space(raw)
    drawn: list[float] = []
    for parameter in space.parameters:
        domain = parameter.domain
        if isinstance(domain, Choice):
            drawn.append(float(data.draw(st.integers(0, domain.size - 1))))
        elif isinstance(domain, Normal):
            drawn.append(data.draw(st.floats(0, 1e6)))
        else:
            drawn.append(data.draw(st.floats(domain.low, domain.high)))
    parameters, settled = space.settle(drawn)
    assert_legal(raw, parameters)
    again, settled_again = space.settle(settled)
    assert json.dumps(again) == json.dumps(parameters)
    assert np.array_equal(settled, settled_again, equal_nan=True)


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ([], "is not an object"),
        ({"x": 3}, "search space, x: expected"),
        ({"x": {"_type": "int", "_value": [0, 1]}}, "type 'int' is none of choice"),
        ({"x": {"_type": "uniform", "_value": 3}}, "_value 3 is not a list"),
        ({"x": {"_type": "uniform", "_value": [0]}}, "uniform needs 2 numbers"),
        ({"x": {"_type": "quniform", "_value": [0, 1]}}, "quniform needs 3 numbers"),
        ({"x": {"_type": "uniform", "_value": [0, "a"]}}, "uniform needs 2 numbers"),
        ({"x": {"_type": "uniform", "_value": [0, math.inf]}}, "uniform needs 2 numbers"),
        ({"x": {"_type": "uniform", "_value": [1, 1]}}, "needs low < high"),
        ({"x": {"_type": "randint", "_value": [5, 2]}}, "needs low < high"),
        ({"x": {"_type": "randint", "_value": [0.2, 0.8]}}, "no integer"),
        ({"x": {"_type": "loguniform", "_value": [0, 1]}}, "needs low > 0"),
        ({"x": {"_type": "normal", "_value": [0, 0]}}, "sigma of normal must be above 0"),
        ({"x": {"_type": "quniform", "_value": [0, 1, 0]}}, "step q of quniform must be above 0"),
        ({"x": {"_type": "choice", "_value": []}}, "at least one value"),
        ({"x": choice({"_name": "a"}, {"_name": "a"})}, "the same _name"),
        ({"x": choice({"_name": "a", "n": 3})}, "search space, x.a.n: expected"),
    ],
)
def test_a_search_space_that_makes_no_sense_is_refused_with_its_path(space: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_search_space(space)
