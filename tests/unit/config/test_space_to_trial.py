"""From the text of a search-space file to the parameters of a trial: nothing changes that JSON could show."""

from __future__ import annotations

import json
import time
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ray_remote_nni.config import load_config
from ray_remote_nni.tuner import create_tuner
from ray_remote_nni.tuner.contract import NoMoreTrials

CONFIG = """\
searchSpaceFile: space.json
trialCommand: python3 train.py
trialConcurrency: 1
tuner: {name: TPE}
trainingService: {platform: local}
"""
ALIKE = [1, 1.0, True, "1", "true", 0, 0.0, -0.0, False, None, "", "1e-3", 1e-3, [1, "1"], [1.0], {"a": 1}, {"a": 1.0}]

leaves = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text())
values = st.recursive(leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3))
choices = st.lists(
    values.filter(lambda value: not (isinstance(value, dict) and "_name" in value)), min_size=1, max_size=6
)


def load_space(folder: Path, space: dict[str, Any]) -> dict[str, Any]:
    (folder / "config.yml").write_text(CONFIG)
    (folder / "space.json").write_text(json.dumps(space), encoding="utf-8")
    return load_config(folder / "config.yml", {}).experiment.search_space


def every_configuration(space: dict[str, Any]) -> list[dict[str, Any]]:
    """All that a tuner gives for a finite space, in which no two values are equal."""
    tuner = create_tuner("TPE", space, seed=0)
    found: list[dict[str, Any]] = []
    while True:
        try:
            found.append(tuner.ask(f"t{len(found)}"))
        except NoMoreTrials:
            return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("space")


@settings(max_examples=100, deadline=None)
@given(choices)
def test_a_trial_gets_each_value_of_a_choice_as_it_stands_in_the_file(folder: Path, drawn: list[Any]) -> None:
    written = {json.dumps(value) for value in drawn}
    got = every_configuration(load_space(folder, {"x": {"_type": "choice", "_value": drawn}}))
    assert {json.dumps(parameters["x"]) for parameters in got} == written


def test_values_that_python_takes_for_equal_are_told_apart(folder: Path) -> None:
    got = every_configuration(load_space(folder, {"x": {"_type": "choice", "_value": ALIKE}}))
    assert sorted(json.dumps(parameters["x"]) for parameters in got) == sorted(map(json.dumps, ALIKE))


@pytest.mark.parametrize("depth", [1, 2, 12])
def test_choices_are_nested_to_any_depth(depth: int, folder: Path) -> None:
    space: dict[str, Any] = {"leaf": {"_type": "choice", "_value": [1, "1"]}}
    for level in range(depth):
        space = {"in": {"_type": "choice", "_value": [{"_name": f"l{level}", **space}, {"_name": "out"}]}}
    got = every_configuration(load_space(folder, space))
    assert len(got) == depth + 2
    deepest = [json.dumps(parameters) for parameters in got if "leaf" in json.dumps(parameters)]
    assert sorted(text.partition('"leaf": ')[2].rstrip("}") for text in deepest) == ['"1"', "1"]
    assert all(text.count('"in"') == depth for text in deepest)


def test_a_huge_randint_costs_no_more_memory_and_time_than_a_small_one(folder: Path) -> None:
    def cost(high: int) -> tuple[float, int]:
        space = load_space(folder, {"x": {"_type": "randint", "_value": [0, high]}})
        tuner = create_tuner("TPE", space, seed=0, duplicates="allow")
        tracemalloc.start()
        began = time.process_time()
        for number in range(30):
            value = tuner.ask(f"t{number}")["x"]
            assert type(value) is int
            assert 0 <= value < high
            tuner.tell(f"t{number}", float(value))
        took, memory = time.process_time() - began, tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return took, memory

    cost(10)  # what is loaded or compiled at the first use
    small_s, small_bytes = cost(10)
    huge_s, huge_bytes = cost(2**31)
    assert huge_bytes < 2 * small_bytes + 1_000_000
    assert huge_s < 3 * small_s + 0.5
