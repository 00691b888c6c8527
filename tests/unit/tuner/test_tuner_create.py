from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from spaces import FLAT

from ray_remote_nni.errors import UsageError
from ray_remote_nni.tuner import create_tuner


@pytest.mark.parametrize("name", ["TPE", "tpe", "Tpe"])
def test_the_case_of_a_tuner_name_does_not_matter(name: str) -> None:
    assert create_tuner(name, FLAT, seed=1).ask("t")


def test_an_unknown_tuner_is_refused_with_the_known_names() -> None:
    with pytest.raises(UsageError, match="'DNGO' is not known"):
        create_tuner("DNGO", FLAT)


@pytest.mark.parametrize(
    ("class_args", "message"),
    [
        ({"optimise_mode": "maximize"}, "'optimise_mode'; it can have optimize_mode, seed, tpe_args"),
        ({"optimize_mode": "max"}, "optimize_mode is 'max'"),
        ({"seed": "x"}, "seed is 'x'"),
        ({"seed": -1}, "seed is -1"),
        ({"tpe_args": 3}, "tpe_args is 3"),
        ({"tpe_args": {"n_startup": 3}}, "tpe_args has 'n_startup'"),
        ({"tpe_args": {"n_startup_jobs": -1}}, "n_startup_jobs is -1"),
        ({"tpe_args": {"n_ei_candidates": 2.5}}, "n_ei_candidates is 2.5"),
        ({"tpe_args": {"gamma": 0}}, "gamma is 0"),
        ({"tpe_args": {"prior_weight": -1}}, "prior_weight is -1"),
        ({"tpe_args": {"linear_forgetting": True}}, "linear_forgetting is True"),
        ({"tpe_args": {"constant_liar_type": "median"}}, "constant_liar_type is 'median'"),
    ],
)
def test_class_args_that_make_no_sense_are_refused(class_args: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        create_tuner("TPE", FLAT, class_args)


def test_the_seed_of_the_class_args_goes_before_the_other() -> None:
    expected = [create_tuner("TPE", FLAT, seed=7).ask(str(trial)) for trial in range(2)]
    tuner = create_tuner("TPE", FLAT, {"seed": 7}, seed=8)
    assert [tuner.ask("0")] == expected[:1]


def test_without_a_seed_two_tuners_differ() -> None:
    assert create_tuner("TPE", FLAT).ask("t") != create_tuner("TPE", FLAT).ask("t")


def test_duplicates_is_avoid_or_allow() -> None:
    with pytest.raises(UsageError, match="duplicates is 'no'"):
        create_tuner("TPE", FLAT, duplicates="no")  # type: ignore[arg-type]


def _modules_after(code: str) -> set[str]:
    script = f"{code}\nimport sys; print(*sys.modules)"
    return set(
        subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout.split()
    )


def test_to_import_the_tuners_costs_neither_numpy_nor_hyperopt() -> None:
    modules = _modules_after("import ray_remote_nni.tuner")
    assert not modules & {"numpy", "scipy", "hyperopt", "ray", "pydantic", "yaml"}


def test_a_tuner_needs_nothing_that_the_head_lacks_and_no_scipy_stats() -> None:
    modules = _modules_after(
        "from ray_remote_nni.tuner import create_tuner\n"
        "create_tuner('TPE', {'x': {'_type': 'uniform', '_value': [0, 1]}}).ask('t')"
    )
    assert not modules & {"pydantic", "yaml", "ray", "asyncssh", "ray_remote_nni.config", "scipy.stats"}


def test_what_hyperopt_was_imported_without_can_be_imported_later() -> None:
    modules = _modules_after("import ray_remote_nni.tuner.tpe.engine, hyperopt.atpe\nhyperopt.atpe.suggest")
    assert "scipy.stats" in modules
