"""The defaults of the tuners' and assessors' arguments, for a person to read."""

from __future__ import annotations

from collections.abc import Mapping

_SEED = "drawn at the start, and kept"
#: What each argument is where classArgs are silent, in words or as the value is written. Tests hold it against the
#: algorithms themselves, which nothing here may import.
DEFAULTS: Mapping[str, Mapping[str, str]] = {
    "TPE": {
        "optimize_mode": "minimize",
        "seed": _SEED,
        "n_startup_jobs": "10",
        "n_ei_candidates": "24 per parameter, 64 for all at once",
        "linear_forgetting": "25",
        "prior_weight": "1.0",
        "gamma": "not used: the best tenth of the trials is good",
        "constant_liar_type": "not used: running trials are among the bad ones",
    },
    "Random": {"optimize_mode": "maximize", "seed": _SEED},
    "Anneal": {"optimize_mode": "maximize", "seed": _SEED},
    "GridSearch": {"optimize_mode": "maximize"},
    "Batch": {"optimize_mode": "maximize"},
    "Evolution": {"optimize_mode": "maximize", "seed": _SEED, "population_size": "32"},
    "Hyperband": {
        "optimize_mode": "maximize",
        "seed": _SEED,
        "R": "60",
        "eta": "3",
        "exec_mode": "parallelism",
    },
    "BOHB": {
        "optimize_mode": "maximize",
        "seed": _SEED,
        "min_budget": "1",
        "max_budget": "3",
        "eta": "3",
        "min_points_in_model": "one more than there are parameters",
        "top_n_percent": "15",
        "num_samples": "64",
        "random_fraction": "1/3",
        "bandwidth_factor": "3",
        "min_bandwidth": "0.001",
    },
    "GP": {
        "optimize_mode": "maximize",
        "seed": _SEED,
        "utility": "ei",
        "kappa": "5.0",
        "xi": "0.0",
        "nu": "2.5",
        "alpha": "1e-06",
        "cold_start_num": "10",
        "selection_num_warm_up": "2000",
        "selection_num_starting_points": "10",
    },
    "Metis": {
        "optimize_mode": "maximize",
        "seed": _SEED,
        "no_resampling": "True",
        "no_candidates": "False",
        "selection_num_starting_points": "600",
        "cold_start_num": "10",
        "exploration_probability": "0.9",
    },
    "SMAC": {"optimize_mode": "maximize", "seed": _SEED, "config_dedup": "as ray.duplicates says"},
    "PBT": {
        "optimize_mode": "maximize",
        "seed": _SEED,
        "all_checkpoint_dir": "checkpoints, in the experiment's folder on the head",
        "population_size": "10",
        "factor": "0.2",
        "resample_probability": "0.25",
        "fraction": "0.2",
    },
    "Medianstop": {"optimize_mode": "maximize", "start_step": "0"},
    "Curvefitting": {
        "epoch_num": "20",
        "start_step": "6",
        "threshold": "0.95",
        "gap": "1",
        "optimize_mode": "maximize",
    },
}
