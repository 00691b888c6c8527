"""The settings of TPE: NNI's classArgs, and what holds where they are silent."""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ray_remote_nni.errors import UsageError

Liar = Literal["best", "worst", "mean", "ignore"]


@dataclass(frozen=True)
class TpeSettings:
    """What TPE goes by. None stands for the tuner's own rule, which no number of NNI's expresses.

    seed: the seed that, with a trial's number, decides its randomness.
    maximize: whether larger values are better.
    n_startup_jobs: random suggestions until this many trials have a value; NNI and hyperopt take 20 and
        count running trials too, so that 20 trials at once start the model without any result.
    n_ei_candidates: how many candidates one suggestion is chosen from; None: 24 per parameter (hyperopt's
        number), 64 for a whole configuration.
    linear_forgetting: that many of the latest trials count in full, older ones less; also the largest
        number of good trials.
    prior_weight: how many trials the search space itself counts for.
    gamma: ceil(gamma * sqrt(N)) of N trials are good, which is NNI's and hyperopt's rule; None: a tenth of
        the trials (Watanabe 2023, arXiv 2304.11127, and our benchmark: better at 50 to 400 trials).
    liar: what running trials count as: as good as the best, as bad as the worst, as the mean, or not at
        all; None: among the bad ones, and not in N, or as good as is expected of them where that is known. If this
        is given, candidates are compared by the two densities alone, as in NNI and hyperopt.
    """

    seed: int
    maximize: bool = False
    n_startup_jobs: int = 10
    n_ei_candidates: int | None = None
    linear_forgetting: int = 25
    prior_weight: float = 1.0
    gamma: float | None = None
    liar: Liar | None = None


def parse_tpe_settings(class_args: Mapping[str, Any], seed: int | None) -> TpeSettings:
    """Read NNI's classArgs of TPE: optimize_mode, seed and tpe_args; raises UsageError for anything else."""
    _refuse_unknown(class_args, ("optimize_mode", "seed", "tpe_args"), "classArgs")
    mode = class_args.get("optimize_mode", "minimize")
    if mode not in ("minimize", "maximize"):
        raise UsageError(f"tuner TPE: optimize_mode is {mode!r}; it can be 'minimize' or 'maximize'.")
    given_seed = class_args.get("seed")
    if given_seed is None:
        given_seed = secrets.randbelow(2**31) if seed is None else seed
    arguments = class_args.get("tpe_args") or {}
    if not isinstance(arguments, Mapping):
        raise UsageError(f"tuner TPE: tpe_args is {arguments!r}; it must be an object.")
    _refuse_unknown(arguments, (*_TPE_ARGS, "constant_liar_type"), "tpe_args")
    settings: dict[str, Any] = {
        name: check(name, arguments[name]) for name, check in _TPE_ARGS.items() if name in arguments
    }
    if "constant_liar_type" in arguments:
        settings["liar"] = _liar(arguments["constant_liar_type"])
    return TpeSettings(seed=_integer(0)("seed", given_seed), maximize=mode == "maximize", **settings)


def _refuse_unknown(found: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    unknown = [name for name in found if name not in known]
    if unknown:
        raise UsageError(f"tuner TPE: {where} has {', '.join(map(repr, unknown))}; it can have {', '.join(known)}.")


def _integer(least: int) -> Callable[[str, Any], int]:
    def check(name: str, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise UsageError(f"tuner TPE: {name} is {value!r}; it must be an integer of at least {least}.")
        return value

    return check


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < math.inf:
        raise UsageError(f"tuner TPE: {name} is {value!r}; it must be a number of at least 0.")
    return float(value)


def _prior_weight(name: str, value: Any) -> float:
    # Without any prior there would be densities of zero, which cannot be compared.
    return max(_number(name, value), 1e-9)


def _positive(name: str, value: Any) -> float:
    if _number(name, value) == 0:
        raise UsageError(f"tuner TPE: {name} is 0; it must be above 0.")
    return float(value)


def _liar(value: Any) -> Liar:
    if value is None:
        return "ignore"
    text = str(value).lower()
    if text == "best" or text == "worst" or text == "mean":
        return text  # type: ignore[return-value]  # mypy does not narrow a str to a Literal by ==
    if text == "none":
        return "ignore"
    raise UsageError(f"tuner TPE: constant_liar_type is {value!r}; it can be best, worst, mean or null.")


_TPE_ARGS: Mapping[str, Callable[[str, Any], Any]] = {
    "n_startup_jobs": _integer(0),
    "n_ei_candidates": _integer(1),
    "linear_forgetting": _integer(1),
    "prior_weight": _prior_weight,
    "gamma": _positive,
}
