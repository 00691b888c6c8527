"""The `classArgs` of each tuner: what is accepted, by NNI's validators and by what its tuners do.

Where a validator of NNI refuses what the tuner itself takes (PBT's `factor`), the tuner counts. All tuners take a
`seed` here, and an `optimize_mode`, which says what the best trial is where the tuner itself does not care.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from ray_remote_nni.config.names import fold, listed
from ray_remote_nni.config.quantities import number, whole_number

# Says what is accepted, and turns the value found into the one to use; None means refused.
Rule = tuple[str, Callable[[Any], Any]]


@dataclass(frozen=True)
class TunerArguments:
    """What a tuner takes beside a seed, and its `optimize_mode` where none is said.

    One that does not learn has none of its own: the best trial is then what NNI's web page takes for that.
    """

    default_mode: str = "maximize"
    own: Mapping[str, Rule | None] = field(default_factory=dict)
    learns: bool = True

    @property
    def rules(self) -> dict[str, Rule | None]:
        """The rules of all arguments by name; None for one that is a mapping of its own."""
        return {
            "optimize_mode": words("minimize", "maximize"),
            "seed": _SEED,
            **self.own,
        }


def spelled(name: str, names: tuple[str, ...]) -> str | None:
    """The one of `names` that a name means, whatever its case and underscores."""
    return next((candidate for candidate in names if fold(candidate) == fold(name)), None)


def words(*accepted: str) -> Rule:
    """One of some words."""
    return listed(accepted), lambda value: spelled(value, accepted) if isinstance(value, str) else None


def at_least(
    minimum: float, convert: Callable[[Any], float | int | None], accepted: str, exclusive: bool = False
) -> Rule:
    """A number of at least, or above, a minimum."""

    def check(value: Any) -> float | int | None:
        result = convert(value)
        if result is None or result < minimum or (exclusive and result == minimum):
            return None
        return result

    return accepted, check


def _integer(least: int) -> Rule:
    return at_least(least, whole_number, f"a whole number of at least {least}")


def _up_to(most: int, found: int | None) -> int | None:
    return None if found is None or found > most else found


def _at_most(maximum: float, rule: Rule) -> Rule:
    accepted, convert = rule

    def check(value: Any) -> Any:
        result = convert(value)
        return None if result is None or result > maximum else result

    return f"{accepted} and at most {maximum}", check


_SHARE = _at_most(1, at_least(0, number, "a number of at least 0"))
#: The records keep it.
_SEED = at_least(0, lambda value: _up_to(2**63 - 1, whole_number(value)), "a whole number of at least 0, below 2**63")
_POSITIVE = at_least(0, number, "a number above 0", exclusive=True)


def _liar(value: Any) -> str | None:
    return "none" if value is None else spelled(str(value), ("best", "worst", "mean", "none"))


TPE_ARGS: Mapping[str, Rule | None] = MappingProxyType(
    {
        "constant_liar_type": ("best, worst, mean or null", _liar),
        "n_startup_jobs": _integer(0),
        "n_ei_candidates": _integer(1),
        "linear_forgetting": _integer(1),
        "prior_weight": at_least(0, number, "a number of at least 0"),
        "gamma": _POSITIVE,
    }
)

_OLD_HYPEROPT: Mapping[str, Rule | None] = {
    "parallel_optimize": ("true or false", lambda value: str(value) if isinstance(value, bool) else None),
    "constant_liar_type": words("min", "max", "mean"),
}

_GP: Mapping[str, Rule | None] = {
    "utility": words("ei", "ucb", "poi"),
    **{name: at_least(0, number, "a number of at least 0") for name in ("kappa", "xi", "alpha")},
    "nu": at_least(0, number, "a number above 0", exclusive=True),
    "cold_start_num": _integer(1),
    "selection_num_warm_up": _integer(1),
    "selection_num_starting_points": _integer(0),
}

_FLAG: Rule = ("true or false", lambda value: value if isinstance(value, bool) else None)

_METIS: Mapping[str, Rule | None] = {
    **{name: _FLAG for name in ("no_resampling", "no_candidates")},
    **{name: _integer(1) for name in ("selection_num_starting_points", "cold_start_num")},
    "exploration_probability": _SHARE,
}

_PBT: Mapping[str, Rule | None] = {
    "all_checkpoint_dir": (
        "an absolute path, or one in the home (~/...): each trial has a working directory of its own",
        lambda value: value if isinstance(value, str) and value.startswith(("/", "~/")) else None,
    ),
    "population_size": _integer(1),
    **{name: at_least(0, number, "a number of at least 0") for name in ("factor", "factors")},
    **{name: _SHARE for name in ("resample_probability", "fraction")},
}

TUNERS: Mapping[str, TunerArguments] = MappingProxyType(
    {
        "TPE": TunerArguments("minimize", {"tpe_args": None, **_OLD_HYPEROPT}),
        "Random": TunerArguments(learns=False),
        "Anneal": TunerArguments("maximize", _OLD_HYPEROPT),
        "GridSearch": TunerArguments(learns=False),
        "Batch": TunerArguments(learns=False),
        "Evolution": TunerArguments("maximize", {"population_size": _integer(1)}),
        "Hyperband": TunerArguments(
            "maximize", {"R": _integer(1), "eta": _integer(2), "exec_mode": words("serial", "parallelism")}
        ),
        "BOHB": TunerArguments(
            "maximize",
            {
                "min_budget": _integer(1),
                "max_budget": _integer(1),
                "eta": _integer(2),
                "min_points_in_model": _integer(0),
                "top_n_percent": _at_most(99, _integer(1)),
                "num_samples": _integer(1),
                "random_fraction": _SHARE,
                "bandwidth_factor": _POSITIVE,
                "min_bandwidth": _POSITIVE,
                "config_space": (
                    "nothing, for .pcs files of ConfigSpace are not read: write its parameters as searchSpace, a line "
                    "like lr real [0.001, 0.1] log as lr: {_type: loguniform, _value: [0.001, 0.1]}",
                    lambda value: None,
                ),
            },
        ),
        "GP": TunerArguments("maximize", _GP),
        "PBT": TunerArguments("maximize", _PBT),
        "Metis": TunerArguments("maximize", _METIS),
        "SMAC": TunerArguments("maximize", {"config_dedup": _FLAG}),
    }
)

#: Other names that NNI has for some of them.
ALIASES: Mapping[str, str] = MappingProxyType(
    {"BatchTuner": "Batch", "GPTuner": "GP", "PBTTuner": "PBT", "MetisTuner": "Metis"}
)

#: Tuners that fit a model of scikit-learn, an optional extra.
NEED_SCIKIT_LEARN = ("GP", "Metis", "SMAC")
SCIKIT_LEARN = "scikit-learn>=1.4"
INSTALL_MODELS = f"Type: {shlex.quote(sys.executable)} -m pip install 'scikit-learn>=1.4'"
