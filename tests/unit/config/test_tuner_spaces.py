"""Tuners that do not take all search spaces, and what is said of one that they do not take."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from config_texts import LOCAL, Problems


def config(tuner: str, *space: str) -> str:
    text = "".join(f"  {line}\n" for line in space)
    return LOCAL.replace("{name: TPE}", tuner).replace("  lr: {_type: uniform, _value: [0.0, 1.0]}\n", text)


def test_a_parameter_that_gp_does_not_take_is_named_with_its_line(problems: Problems) -> None:
    text = config(
        "{name: GP}",
        "lr: {_type: normal, _value: [0, 1]}",
        "size: {_type: choice, _value: [8, 16]}",
        "kind: {_type: choice, _value: [8, relu]}",
        "net: {_type: choice, _value: [{_name: a}, {_name: b}]}",
    )
    found = {problem.field: problem for problem in problems(text)}
    assert set(found) == {"searchSpace.lr._type", "searchSpace.kind._value[1]", "searchSpace.net._value"}
    first = found["searchSpace.lr._type"]
    assert first.line == text.splitlines().index("  lr: {_type: normal, _value: [0, 1]}") + 1
    assert "GP does not take normal; accepted: choice, randint" in first.message
    assert "TPE" in (first.remedy or "")


@pytest.mark.parametrize(
    ("space", "field"),
    [
        (["lr: {_type: uniform, _value: [0, 1]}"], "searchSpace"),
        (["a: {_type: choice, _value: [{x: 1}]}", "b: {_type: choice, _value: [{x: 1}]}"], "searchSpace"),
        (["sets: {_type: choice, _value: [{x: 1}, 2]}"], "searchSpace.sets._value[1]"),
    ],
)
def test_batch_says_which_space_it_takes(problems: Problems, space: list[str], field: str) -> None:
    (problem,) = problems(config("{name: Batch}", *space))
    assert (problem.level, problem.field) == ("error", field)
    assert "combine_params" in (problem.remedy or "")


@pytest.mark.parametrize(
    ("tuner", "name", "value"),
    [
        ("GPTuner", "utility", "best"),
        ("GP", "kappa", "-1"),
        ("GP", "cold_start_num", "0"),
        ("GP", "colds_start_num", "5"),
        ("MetisTuner", "no_resampling", "3"),
        ("Metis", "exploration_probability", "1.5"),
        ("SMAC", "config_dedup", "maybe"),
        ("PBTTuner", "all_checkpoint_dir", "checkpoints"),
        ("PBT", "population_size", "0"),
        ("PBT", "fraction", "2"),
    ],
)
def test_bad_arguments_are_named(problems: Problems, tuner: str, name: str, value: str) -> None:
    text = config(f"{{name: {tuner}, classArgs: {{{name}: {value}}}}}", "x: {_type: uniform, _value: [0, 1]}")
    (problem,) = problems(text)
    assert problem.field == f"tuner.classArgs.{name}"
    assert "accepted" in f"{problem.message} {problem.remedy}" or "Write cold_start_num" in (problem.remedy or "")


def test_without_scikit_learn_the_tuners_name_says_what_to_type(
    problems: Problems, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(name: str) -> Any:
        return None

    monkeypatch.setattr("ray_remote_nni.config.algorithms.find_spec", nothing)
    (problem,) = problems(config("{name: GP}", "x: {_type: uniform, _value: [0, 1]}"))
    assert problem.field == "tuner.name"
    assert problem.remedy == f"Type: {sys.executable} -m pip install 'scikit-learn>=1.4'"
