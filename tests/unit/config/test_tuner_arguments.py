"""The classArgs of each tuner."""

from __future__ import annotations

import re

import pytest
from config_texts import LOCAL, Load, Problems

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
        ("BOHB", "min_budget", "0"),
        ("BOHB", "min_budget", "4"),
        ("BOHB", "max_budget", "many"),
        ("BOHB", "eta", "1"),
        ("BOHB", "min_points_in_model", "-1"),
        ("BOHB", "top_n_percent", "100"),
        ("BOHB", "num_samples", "0"),
        ("BOHB", "random_fraction", "1.5"),
        ("BOHB", "bandwidth_factor", "0"),
        ("BOHB", "min_bandwidth", "-1"),
        ("BOHB", "config_space", "space.pcs"),
    ],
)
def test_a_bad_argument_is_named_with_its_line(problems: Problems, tuner: str, argument: str, value: str) -> None:
    text = LOCAL.replace("tuner: {name: TPE}", f"tuner:\n  name: {tuner}\n  classArgs:\n    {argument}: {value}")
    [problem] = problems(text)
    assert problem.field == f"tuner.classArgs.{argument}"
    assert text.splitlines()[problem.line - 1].strip() == f"{argument}: {value}"
    assert "accepted" in problem.message or problem.remedy


@pytest.mark.parametrize("name", TUNER_NAMES)
def test_config_and_tuner_know_the_same_arguments(name: str) -> None:
    with pytest.raises(UsageError) as refused:
        create_tuner(name, {"x": {"_type": "choice", "_value": [{"y": 1}]}}, {"no such argument": 1})
    accepted = re.search(r"it can have (.*)\.", str(refused.value))
    assert accepted is not None
    # Those of old versions of NNI are turned into others, and a file with a search space is always refused.
    of_the_config = {"parallel_optimize", "constant_liar_type", "config_space"}
    assert set(accepted[1].split(", ")) == set(TUNERS[name].rules) - of_the_config


def test_a_gamma_of_tpe_above_one_is_taken_as_nni_takes_it_and_warned_of(load: Load) -> None:
    text = LOCAL.replace("{name: TPE}", "{name: TPE, classArgs: {tpe_args: {gamma: GAMMA}}}")
    [warning] = load(text.replace("GAMMA", "3")).warnings
    assert warning.field == "tuner.classArgs.tpe_args.gamma"
    assert warning.message == "ceil(3 * sqrt(N)) of N trials count as good: all of the first 9"
    assert load(text.replace("GAMMA", "1")).warnings == ()
