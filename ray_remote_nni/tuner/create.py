"""The way from a tuner's name and NNI's classArgs to a tuner."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from ray_remote_nni.errors import UsageError
from ray_remote_nni.tuner.contract import Tuner

if TYPE_CHECKING:
    from ray_remote_nni.tuner.proposals import Proposer
    from ray_remote_nni.tuner.space import SearchSpace

TUNER_NAMES = (
    "TPE",
    "Random",
    "Anneal",
    "GridSearch",
    "Batch",
    "Evolution",
    "Hyperband",
    "BOHB",
    "GP",
    "PBT",
    "Metis",
    "SMAC",
)

#: Other names that NNI has for some of them.
TUNER_ALIASES = {"BatchTuner": "Batch", "GPTuner": "GP", "PBTTuner": "PBT", "MetisTuner": "Metis"}

#: Those that need scikit-learn.
MODEL_TUNERS = ("GP", "Metis", "SMAC")


def create_tuner(
    name: str,
    search_space: Mapping[str, Any],
    class_args: Mapping[str, Any] | None = None,
    seed: int | None = None,
    duplicates: Literal["avoid", "allow"] = "avoid",
) -> Tuner:
    """Make the tuner that NNI calls `name` (any case) for a search space in NNI's JSON, as a dict.

    `class_args` are NNI's for this tuner; all take a `seed` too. That one goes before the argument `seed`; with
    neither, the tuner draws one. With duplicates="avoid", a configuration that was evaluated or is running is not
    suggested again while others are left, and a finite space ends with `NoMoreTrials`.
    Raises UsageError for an unknown name, a bad search space and bad class_args.
    """
    known = {**{tuner.lower(): tuner for tuner in TUNER_NAMES}, **{a.lower(): t for a, t in TUNER_ALIASES.items()}}
    if name.lower() not in known:
        raise UsageError(f"tuner {name!r} is not known. Known tuners: {', '.join(TUNER_NAMES)}.")
    if duplicates not in ("avoid", "allow"):
        raise UsageError(f"duplicates is {duplicates!r}; it can be 'avoid' or 'allow'.")
    return _create(known[name.lower()], search_space, class_args or {}, seed, duplicates == "avoid")


def _create(
    name: str, search_space: Mapping[str, Any], class_args: Mapping[str, Any], seed: int | None, avoid: bool
) -> Tuner:
    # Imported here: a Python process that only names tuners does not pay for NumPy and hyperopt.
    from ray_remote_nni.tuner.arguments import integer, read_arguments
    from ray_remote_nni.tuner.space import parse_search_space
    from ray_remote_nni.tuner.strategy import StrategyTuner

    if name == "TPE":
        from ray_remote_nni.tuner.tpe import Tpe, parse_tpe_settings

        settings = parse_tpe_settings(class_args, seed)
        return StrategyTuner(Tpe(parse_search_space(search_space), settings, avoid), settings.seed, settings.maximize)
    if name == "Batch":
        from ray_remote_nni.tuner.batch import Batch

        arguments = read_arguments(name, class_args, seed)
        return StrategyTuner(Batch(search_space), arguments.seed, arguments.maximize)
    space = parse_search_space(search_space)
    if name == "GridSearch":
        from ray_remote_nni.tuner.grid import Grid

        arguments = read_arguments(name, class_args, seed)
        return StrategyTuner(Grid(space), arguments.seed, arguments.maximize)
    if name == "Evolution":
        from ray_remote_nni.tuner.evolution import Evolution

        arguments = read_arguments(name, class_args, seed, own={"population_size": (integer(1), 32)})
        return StrategyTuner(Evolution(space, arguments["population_size"], avoid), arguments.seed, arguments.maximize)
    if name == "Hyperband":
        from ray_remote_nni.tuner.hyperband import create_hyperband

        return create_hyperband(space, class_args, seed, avoid)
    if name == "BOHB":
        from ray_remote_nni.tuner.bohb import create_bohb

        return create_bohb(space, class_args, seed, avoid)
    if name == "PBT":
        from ray_remote_nni.tuner.pbt import create_pbt

        return create_pbt(space, class_args, seed)
    if name in MODEL_TUNERS:
        from ray_remote_nni.tuner.models.create import create_model_tuner

        return create_model_tuner(name, search_space, class_args, seed, avoid)
    from ray_remote_nni.tuner.proposals import ProposalStrategy

    arguments = read_arguments(name, class_args, seed)
    proposer = _proposer(name, space)
    return StrategyTuner(ProposalStrategy(space, proposer, avoid), arguments.seed, arguments.maximize)


def _proposer(name: str, space: SearchSpace) -> Proposer:
    if name == "Random":
        from ray_remote_nni.tuner.random_search import RandomSearch

        return RandomSearch(space)
    from ray_remote_nni.tuner.anneal import Anneal

    return Anneal(space)
