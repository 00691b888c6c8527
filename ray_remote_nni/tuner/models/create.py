"""The way from NNI's classArgs to a tuner that fits a model."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from ray_remote_nni.errors import UsageError
from ray_remote_nni.tuner.arguments import Rule, flag, integer, read_arguments, real, words
from ray_remote_nni.tuner.contract import Tuner
from ray_remote_nni.tuner.models.cube import Cube
from ray_remote_nni.tuner.space import parse_search_space
from ray_remote_nni.tuner.strategy import StrategyTuner
from ray_remote_nni.tuner.supported import refuse_unsupported

if TYPE_CHECKING:
    from ray_remote_nni.tuner.models.strategy import Model

_LINEAR = ("choice", "randint", "uniform", "quniform")
_TYPES = {
    "GP": (*_LINEAR, "loguniform", "qloguniform"),
    "Metis": _LINEAR,
    "SMAC": (*_LINEAR, "loguniform"),
}


def create_model_tuner(
    name: str, search_space: Mapping[str, Any], class_args: Mapping[str, Any], seed: int | None, avoid: bool
) -> Tuner:
    """Make GP, Metis or SMAC. Raises UsageError, also where scikit-learn is missing."""
    if find_spec("sklearn") is None:
        raise UsageError(f"tuner {name} needs scikit-learn. Type: pip install 'ray-remote-nni[models]'")
    from ray_remote_nni.tuner.models.strategy import ModelStrategy

    arguments = read_arguments(name, class_args, seed, own=_rules(name))
    space = parse_search_space(search_space)
    refuse_unsupported(name, search_space, _TYPES[name], numeric_choices=name != "SMAC")
    cube = Cube(space)
    own = {key: value for key, value in arguments.own.items() if key not in ("optimize_mode", "seed")}
    avoid = avoid or own.pop("config_dedup", False)
    strategy = ModelStrategy(space, cube, _model(name, cube, own), avoid)
    return StrategyTuner(strategy, arguments.seed, arguments.maximize)


def _model(name: str, cube: Cube, own: Mapping[str, Any]) -> Model:
    from ray_remote_nni.tuner.models.gp import GpModel, GpSettings
    from ray_remote_nni.tuner.models.metis import MetisModel, MetisSettings
    from ray_remote_nni.tuner.models.smac import SmacModel

    if name == "GP":
        return GpModel(cube, GpSettings(**own))
    return MetisModel(cube, MetisSettings(**own)) if name == "Metis" else SmacModel(cube)


def _rules(name: str) -> dict[str, tuple[Rule, Any]]:
    from ray_remote_nni.tuner.models.gp import GpSettings
    from ray_remote_nni.tuner.models.metis import MetisSettings

    if name == "GP":
        gp = GpSettings()
        return {
            "utility": (words("ei", "ucb", "poi"), gp.utility),
            "kappa": (real(0), gp.kappa),
            "xi": (real(0), gp.xi),
            "nu": (real(1e-3), gp.nu),
            "alpha": (real(0), gp.alpha),
            "cold_start_num": (integer(1), gp.cold_start_num),
            "selection_num_warm_up": (integer(1), gp.selection_num_warm_up),
            "selection_num_starting_points": (integer(0), gp.selection_num_starting_points),
        }
    if name == "Metis":
        metis = MetisSettings()
        return {
            "no_resampling": (flag(), metis.no_resampling),
            "no_candidates": (flag(), metis.no_candidates),
            "selection_num_starting_points": (integer(1), metis.selection_num_starting_points),
            "cold_start_num": (integer(1), metis.cold_start_num),
            "exploration_probability": (real(0, 1), metis.exploration_probability),
        }
    return {"config_dedup": (flag(), False)}
