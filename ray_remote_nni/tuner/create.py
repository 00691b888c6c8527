"""The way from a tuner's name and NNI's classArgs to a tuner."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from ray_remote_nni.errors import UsageError
from ray_remote_nni.tuner.contract import Tuner

TUNER_NAMES = ("TPE",)


def create_tuner(
    name: str,
    search_space: Mapping[str, Any],
    class_args: Mapping[str, Any] | None = None,
    seed: int | None = None,
    duplicates: Literal["avoid", "allow"] = "avoid",
) -> Tuner:
    """Make the tuner that NNI calls `name` (any case) for a search space in NNI's JSON, as a dict.

    `class_args` are NNI's for this tuner. Its `seed` goes before the argument `seed`; with neither, the
    tuner draws one. With duplicates="avoid", a configuration that was evaluated or is running is not
    suggested again while others are left, and a finite space ends with `NoMoreTrials`.
    Raises UsageError for an unknown name, a bad search space and bad class_args.
    """
    if name.lower() not in {known.lower() for known in TUNER_NAMES}:
        raise UsageError(f"tuner {name!r} is not known. Known tuners: {', '.join(TUNER_NAMES)}.")
    if duplicates not in ("avoid", "allow"):
        raise UsageError(f"duplicates is {duplicates!r}; it can be 'avoid' or 'allow'.")
    # Imported here: a Python process that only names tuners does not pay for NumPy and hyperopt.
    from ray_remote_nni.tuner.space import parse_search_space
    from ray_remote_nni.tuner.tpe import TpeTuner, parse_tpe_settings

    return TpeTuner(
        parse_search_space(search_space),
        parse_tpe_settings(class_args or {}, seed),
        avoid_duplicates=duplicates == "avoid",
    )
