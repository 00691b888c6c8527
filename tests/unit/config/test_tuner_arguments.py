"""The classArgs of each tuner."""

from __future__ import annotations

import re

import pytest
from config_texts import LOCAL, Problems

from ray_remote_nni.config.tuner_arguments import TUNERS
from ray_remote_nni.errors import UsageError
from ray_remote_nni.tuner import TUNER_NAMES, create_tuner


@pytest.mark.parametrize(
    ("tuner", "argument", "value"),
    [
        ("Evolution", "population_size", "0"),
        ("Evolution", "population", "8"),
        ("Hyperband", "R", "0"),
        ("Hyperband", "eta", "1"),
        ("Hyperband", "eta", "2.5"),
        ("Hyperband", "exec_mode", "parallel"),
        ("Hyperband", "r", "60"),
    ],
)
def test_a_bad_argument_is_named_with_its_line(problems: Problems, tuner: str, argument: str, value: str) -> None:
    text = LOCAL.replace("tuner: {name: TPE}", f"tuner:\n  name: {tuner}\n  classArgs:\n    {argument}: {value}")
    [problem] = problems(text)
    assert problem.field == f"tuner.classArgs.{argument}"
    assert text.splitlines()[problem.line - 1].strip() == f"{argument}: {value}"
    assert "accepted" in f"{problem.message} {problem.remedy}" or "Write" in (problem.remedy or "")


@pytest.mark.parametrize("name", TUNER_NAMES)
def test_config_and_tuner_know_the_same_arguments(name: str) -> None:
    with pytest.raises(UsageError) as refused:
        create_tuner(name, {"x": {"_type": "choice", "_value": [{"y": 1}]}}, {"no such argument": 1})
    accepted = re.search(r"it can have (.*)\.", str(refused.value))
    assert accepted is not None
    of_old_nni = {"parallel_optimize", "constant_liar_type"}
    assert set(accepted[1].split(", ")) == set(TUNERS[name].rules) - of_old_nni
