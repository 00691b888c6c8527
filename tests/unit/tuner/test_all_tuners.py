"""Each tuner against the contract that all share."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from ray_remote_nni.config.algorithms import SUPPORTED_TUNERS
from ray_remote_nni.config.tuner_arguments import ALIASES
from ray_remote_nni.config.tuner_spaces import unsupported
from ray_remote_nni.errors import UsageError
from ray_remote_nni.testing import TunerContract
from ray_remote_nni.testing.spaces import SPACES, Space
from ray_remote_nni.tuner import TUNER_ALIASES, TUNER_NAMES, Tuner, create_tuner


class Built(TunerContract):
    name: ClassVar[str]
    class_args: ClassVar[dict[str, Any]] = {}
    refusal: ClassVar[type[Exception]] = UsageError

    def create(self, space: Space, optimize_mode: str = "minimize", seed: int = 0) -> Tuner:
        return create_tuner(self.name, space, {"optimize_mode": optimize_mode, **self.class_args}, seed=seed)


class TestTpe(Built):
    name = "TPE"


class TestRandom(Built):
    name = "Random"


class TestAnneal(Built):
    name = "Anneal"


class TestGridSearch(Built):
    name = "GridSearch"
    random = False
    finite = SPACES["choice"] | {"x": {"_type": "choice", "_value": [1, 2]}}
    finite_size = 60


class TestEvolution(Built):
    name = "Evolution"
    class_args: ClassVar[dict[str, Any]] = {"population_size": 8}
    trials = 60


class TestHyperband(Built):
    name = "Hyperband"
    class_args: ClassVar[dict[str, Any]] = {"R": 9}
    extra = frozenset({"TRIAL_BUDGET"})
    finite = None
    trials = 60


class TestSerialHyperband(TestHyperband):
    class_args: ClassVar[dict[str, Any]] = {"R": 9, "exec_mode": "serial"}


class TestBohb(Built):
    name = "BOHB"
    class_args: ClassVar[dict[str, Any]] = {"max_budget": 9, "random_fraction": 0.1}
    extra = frozenset({"TRIAL_BUDGET"})
    finite = None
    trials = 60


class TestBatch(Built):
    name = "Batch"
    random = False
    supported = ()
    space: ClassVar[Space] = {}
    finite: ClassVar[Space] = {
        "combine_params": {"_type": "choice", "_value": [{"x": number // 2, "y": [number]} for number in range(60)]}
    }
    finite_size = 60

    def create(self, space: Space, optimize_mode: str = "minimize", seed: int = 0) -> Tuner:
        return super().create(space or self.finite, optimize_mode, seed)

    @pytest.fixture(autouse=True)
    def _any_set_is_legal(self, monkeypatch: pytest.MonkeyPatch) -> None:
        sets = self.finite["combine_params"]["_value"]

        def assert_one_of_them(space: Space, parameters: dict[str, Any], extra: frozenset[str]) -> None:
            assert parameters in sets

        monkeypatch.setattr("ray_remote_nni.testing.tuner.assert_legal", assert_one_of_them)


#: The spaces that GP takes; Metis and SMAC take no more of the log forms.
FLAT_NUMBERS = ("numeric choice", "randint", "uniform", "quniform", "loguniform", "qloguniform")


class TestGp(Built):
    name = "GP"
    class_args: ClassVar[dict[str, Any]] = {"cold_start_num": 5, "selection_num_warm_up": 100}
    supported = FLAT_NUMBERS
    trials = 12


class TestMetis(Built):
    name = "Metis"
    class_args: ClassVar[dict[str, Any]] = {"cold_start_num": 5, "selection_num_starting_points": 50}
    supported = FLAT_NUMBERS[:4]
    trials = 12


class TestSmac(Built):
    name = "SMAC"
    supported = ("choice", *FLAT_NUMBERS[:5])
    trials = 16


class TestPbt(Built):
    name = "PBT"
    class_args: ClassVar[dict[str, Any]] = {"all_checkpoint_dir": "/shared", "population_size": 6}
    finite = None
    extra = frozenset({"load_checkpoint_dir", "save_checkpoint_dir"})


def test_the_config_knows_the_same_tuners() -> None:
    assert SUPPORTED_TUNERS == TUNER_NAMES
    assert dict(ALIASES) == TUNER_ALIASES


@pytest.mark.parametrize("tuner", TUNER_NAMES)
@pytest.mark.parametrize("space", SPACES)
def test_the_config_refuses_the_same_spaces(tuner: str, space: str) -> None:
    (tested,) = [one for one in Built.__subclasses__() if one.name == tuner]
    assert (unsupported(tuner, SPACES[space]) == []) == (space in tested.supported)


def test_every_tuner_is_tested_here() -> None:
    assert {tuner.name for tuner in Built.__subclasses__()} == set(TUNER_NAMES)


def test_batch_gives_the_sets_in_their_order_and_takes_equal_ones_one_by_one() -> None:
    space = {"combine_params": {"_type": "choice", "_value": [{"x": 1}, {"x": 2}, {"x": 1}]}}
    tuner = create_tuner("BatchTuner", space)
    tuner.restore("old", {"x": 1})
    assert [tuner.ask("a"), tuner.ask("b")] == [{"x": 2}, {"x": 1}]


def test_the_grid_is_nnis_and_becomes_finer() -> None:
    space = {
        "x": {"_type": "choice", "_value": [5, 7]},
        "y": {"_type": "normal", "_value": [0, 1]},
        "z": {"_type": "quniform", "_value": [2, 3, 1]},
    }
    tuner = create_tuner("GridSearch", space)
    asked = [tuple(round(value, 2) for value in tuner.ask(str(number)).values()) for number in range(12)]
    assert asked[:2] == [(5, 0, 2), (7, 0, 2)]
    assert set(asked[2:]) == {(x, y, z) for x in (5, 7) for y in (0, -0.67, 0.67) for z in (2, 3)} - set(asked[:2])


def test_a_grid_with_a_huge_integer_range_starts_at_once() -> None:
    tuner = create_tuner("GridSearch", {"n": {"_type": "randint", "_value": [0, 2**40]}})
    assert [tuner.ask(trial) for trial in "ab"] == [{"n": 0}, {"n": 1}]


def test_annealing_comes_closer_to_the_best() -> None:
    tuner = create_tuner("Anneal", {"x": {"_type": "uniform", "_value": [0, 1]}}, {"optimize_mode": "minimize"}, seed=1)
    xs = []
    for number in range(60):
        xs.append(tuner.ask(str(number))["x"])
        tuner.tell(str(number), abs(xs[-1] - 0.3))
    assert sum(abs(x - 0.3) < 0.15 for x in xs[30:]) > 20
