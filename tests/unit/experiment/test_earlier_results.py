from __future__ import annotations

import pytest
from experiment_values import experiment_spec

from ray_remote_nni.errors import UsageError
from ray_remote_nni.experiment.earlier_results import learnt_notice, outside, read_results

SPACE = {"lr": {"_type": "loguniform", "_value": [0.001, 1]}, "net": {"_type": "choice", "_value": ["a", "b"]}}


def test_results_are_read_as_nnictl_writes_them() -> None:
    text = '[{"parameter": {"lr": 0.1}, "value": "0.5", "id": "x"}, {"parameter": {}, "value": {"default": 1}}]'

    assert read_results(text, "file") == [
        {"parameter": {"lr": 0.1}, "value": 0.5},
        {"parameter": {}, "value": {"default": 1}},
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("no JSON", "file is not JSON.*export -t json"),
        ('{"parameter": {}, "value": 1}', "file holds no list"),
        ('[{"parameter": {}, "value": 1}, {"parameter": 3, "value": 1}]', 'entry 2.*found {"parameter": 3'),
        ('[{"parameter": {}}]', "entry 1"),
        ('[{"parameter": {}, "value": "good"}]', 'entry 1: the value "good" is no number'),
    ],
)
def test_what_is_no_result_is_refused_with_its_place(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        read_results(text, "file")


def test_configurations_that_the_search_space_does_not_have_are_told_with_parameter_and_range() -> None:
    inside = {"lr": 0.1, "net": "a"}
    assert outside(SPACE, [inside, {**inside, "lr": 5}, {"lr": 0.1, "x": 1}, {**inside, "net": "c"}]) == [
        "lr: 5 is not in [0.001, 1.0]",
        "net is missing, there is no x",
        'net: "c" is none of "a", "b"',
    ]


def test_a_nested_configuration_outside_is_told_by_its_path() -> None:
    size = {"_type": "choice", "_value": [3, 5]}
    space = {"layer": {"_type": "choice", "_value": [{"_name": "conv", "size": size}]}}
    assert outside(space, [{"layer": {"_name": "conv", "size": 4}}]) == ["layer: size: 4 is none of 3, 5"]


def test_all_that_is_wrong_with_a_configuration_is_told() -> None:
    assert outside(SPACE, [{"lr": 5, "net": "a", "x": 1}]) == ["lr: 5 is not in [0.001, 1.0]; there is no x"]


@pytest.mark.parametrize(
    ("lrs", "said"),
    [
        ([0.1, 0.2], "the tuner has learnt 2 earlier results"),
        ([0.1, 5, 6], "the tuner has learnt 1 of 3 earlier results: the others lie outside the search space"),
        ([5, 6], "the tuner has learnt none of 2 earlier results: they lie outside the search space"),
    ],
)
def test_a_notice_tells_how_many_results_a_tuner_could_learn_from(lrs: list[float], said: str) -> None:
    spec = experiment_spec(search_space={"lr": SPACE["lr"]})
    assert learnt_notice(spec, [{"parameter": {"lr": lr}, "value": 1} for lr in lrs]) == said


def test_what_a_tuner_of_ones_own_learns_from_is_its_own_to_say() -> None:
    spec = experiment_spec(own_tuner={"class_name": "a.B", "class_args": {}, "code": "0"})
    assert learnt_notice(spec, [{"parameter": {"z": 1}, "value": 1}]) == "the tuner has learnt 1 earlier result"
