"""How far our engine is hyperopt's own: the same suggestions seed for seed, and the same formulas."""

from __future__ import annotations

import math
from typing import Any

import hyperopt
import numpy as np
import pytest
from hyperopt import hp, tpe
from scipy.stats import ks_2samp
from spaces import FLAT, NESTED, choice, randint, uniform

from ray_remote_nni.tuner.space import Choice, Normal, Parameter, SearchSpace, Uniform, parse_search_space
from ray_remote_nni.tuner.tpe import densities
from ray_remote_nni.tuner.tpe.graph import Estimate, HyperoptGraph, hyperopt_space
from ray_remote_nni.tuner.tpe.parzen import bandwidths, estimators

SEQUENTIAL = {"x": uniform(-1, 2), "kind": choice("a", "b", "c"), "n": randint(0, 20)}


def hyperopt_estimate(parameter: Parameter, good: np.ndarray, bad: np.ndarray) -> Estimate:
    """What hyperopt's own functions make of the trials of one parameter."""
    domain = parameter.domain
    sides = [side[~np.isnan(side)] for side in (good, bad)]
    if isinstance(domain, Choice):
        return Estimate(*(side.astype(int) for side in sides))
    if isinstance(domain, Normal):
        prior = (domain.mu, domain.sigma)
    else:
        low, high = (domain.low, domain.high) if isinstance(domain, Uniform) else (domain.low - 0.5, domain.high - 0.5)
        if isinstance(domain, Uniform) and domain.log:
            low, high = math.log(low), math.log(high)
        prior = (0.5 * (high + low), 1.0 * (high - low))
    if getattr(domain, "log", False):
        least = np.exp(prior[0] - prior[1] / 2) if isinstance(domain, Uniform) else tpe.EPS
        sides = [np.log(np.maximum(side, least)) if domain.step else np.log(side) for side in sides]
    return Estimate(*(tpe.adaptive_parzen_normal(side, 1.0, *prior) for side in sides))


class HyperoptTrials:
    """hyperopt's suggest with its own bookkeeping."""

    def __init__(self, space: SearchSpace) -> None:
        self.space = space
        self.domain = hyperopt.Domain(None, {**hyperopt_space(space.roots), "constant": 0}, pass_expr_memo_ctrl=True)
        self.trials = hyperopt.Trials()
        self.rows: list[list[float]] = []
        self.losses: list[float] = []

    def suggest(self, seed: int) -> list[float]:
        (self.id,) = self.trials.new_trial_ids(1)
        (doc,) = tpe.suggest([self.id], self.domain, self.trials, seed, verbose=False)
        self.trials.insert_trial_docs([doc])
        self.trials.refresh()
        values = {label: value[0] for label, value in doc["misc"]["vals"].items() if len(value)}
        self.rows.append([float(values.get(p.label, math.nan)) for p in self.space.parameters])
        return self.rows[-1]

    def tell(self, loss: float) -> None:
        (doc,) = [doc for doc in self.trials._dynamic_trials if doc["tid"] == self.id]
        doc["state"], doc["result"] = hyperopt.JOB_STATE_DONE, {"loss": loss, "status": "ok"}
        self.trials.refresh()
        self.losses.append(loss)

    def split(self) -> tuple[np.ndarray, np.ndarray]:
        order = np.argsort(self.losses)
        n_good = min(math.ceil(0.25 * math.sqrt(len(order))), 25)
        rows = np.array(self.rows[: len(order)])
        return rows[np.sort(order[:n_good])], rows[np.sort(order[n_good:])]


@pytest.mark.parametrize("raw", [SEQUENTIAL, FLAT, NESTED], ids=["sequential", "flat", "nested"])
def test_the_compiled_graph_suggests_what_hyperopt_suggests_seed_for_seed(raw: dict[str, Any]) -> None:
    space = parse_search_space(raw)
    theirs, ours = HyperoptTrials(space), HyperoptGraph(space, functions={})
    for seed in range(60):
        if seed < 20:
            mine = ours.draw(np.random.default_rng(seed))
        else:
            good, bad = theirs.split()
            estimates = [hyperopt_estimate(p, good[:, p.index], bad[:, p.index]) for p in space.parameters]
            mine = ours.suggest(estimates, 24, np.random.default_rng(seed))
        assert np.array_equal(theirs.suggest(seed), mine, equal_nan=True)
        theirs.tell(math.sin(3.0 * float(np.nansum(mine))))


def test_a_nested_space_in_our_terms_is_what_hyperopt_makes_of_the_usual_ones() -> None:
    raw = {"k": choice({"_name": "a", "x": uniform(0, 1)}, {"_name": "b"}), "c": choice(5, 6, 7)}
    usual = {
        "0:k": hp.choice("0:k", [{"1:x": hp.uniform("1:x", 0, 1)}, {}]),
        "2:c": hp.choice("2:c", [5, 6, 7]),
    }
    space = parse_search_space(raw)
    domain = hyperopt.Domain(None, usual, pass_expr_memo_ctrl=True)
    trials = hyperopt.Trials()
    for seed in range(10):
        (doc,) = hyperopt.rand.suggest([seed], domain, trials, seed)
        numbers = HyperoptGraph(space).draw(np.random.default_rng(seed))
        found = {p.label: [numbers[p.index]] for p in space.parameters if not math.isnan(numbers[p.index])}
        assert found == {label: values for label, values in doc["misc"]["vals"].items() if len(values)}


@pytest.mark.parametrize("count", [0, 1, 2, 3, 24, 25, 26, 60, 300])
def test_the_estimators_are_those_of_hyperopt_for_every_column(count: int) -> None:
    rng = np.random.default_rng(count)
    numeric = rng.uniform(-0.5, 0.5, (count, 5))
    numeric[rng.random((count, 5)) < 0.3] = np.nan
    numeric[:, 0] = rng.uniform(-0.5, 0.5, count)
    for column, (weights, means, widths) in enumerate(estimators(numeric, 1.3, 25)):
        values = numeric[:, column][~np.isnan(numeric[:, column])]
        expected = tpe.adaptive_parzen_normal(values, 1.3, 0.0, 1.0)
        np.testing.assert_allclose((weights, means, widths), expected, rtol=1e-12)
        own = bandwidths(numeric)[:, column]
        np.testing.assert_array_equal(np.isnan(own), np.isnan(numeric[:, column]))
        by_value = own[~np.isnan(own)][np.argsort(values)]
        np.testing.assert_allclose(by_value, np.delete(expected[2], np.searchsorted(np.sort(values), 0.0)), rtol=1e-12)


def test_narrower_kernels_leave_the_prior_as_it_is() -> None:
    numeric = np.random.default_rng(0).uniform(-0.5, 0.5, (7, 1))
    ((_, means, full),) = estimators(numeric, 1.0, 25)
    ((_, _, half),) = estimators(numeric, 1.0, 25, scale=0.5)
    np.testing.assert_allclose(half, np.where(means == 0.0, full, full * 0.5))


# Two kernels are the same, as those of two trials with the same value are.
MIXTURE = (np.array([0.5, 0.1, 0.1, 0.3]), np.array([-1.0, 0.4, 0.4, 2.0]), np.array([0.6, 0.05, 0.05, 1.5]))


@pytest.mark.parametrize("q", [None, 0.5])
@pytest.mark.parametrize(("low", "high"), [(None, None), (-1.2, 2.5)])
@pytest.mark.parametrize("family", ["normal", "log"])
def test_the_fast_densities_are_those_of_hyperopt_up_to_a_constant(
    family: str, low: float | None, high: float | None, q: float | None
) -> None:
    ours, theirs = {
        "normal": (densities.mixture_log_density, tpe.GMM1_lpdf),
        "log": (densities.log_mixture_log_density, tpe.LGMM1_lpdf),
    }[family]
    x = np.linspace(-1, 2.4, 40)
    x = np.exp(x) if family == "log" else x
    x = x if q is None else np.round(x / q) * q
    if low is not None and q is not None:
        bounds = np.exp([low, high]) if family == "log" else (low, high)
        x = x[(x > bounds[0]) & (x < bounds[1])]
    difference = ours(x, *MIXTURE, low, high, q) - theirs(x, *MIXTURE, low, high, q)
    np.testing.assert_allclose(difference, difference[0], atol=1e-5)


@pytest.mark.parametrize("q", [None, 0.5])
@pytest.mark.parametrize(("low", "high"), [(None, None), (-1.2, 2.5)])
@pytest.mark.parametrize("family", ["normal", "log"])
def test_the_fast_samplers_draw_from_the_distributions_of_hyperopt(
    family: str, low: float | None, high: float | None, q: float | None
) -> None:
    ours, theirs = {
        "normal": (densities.mixture_sample, tpe.GMM1),
        "log": (densities.log_mixture_sample, tpe.LGMM1),
    }[family]
    mine = ours(*MIXTURE, low, high, q, rng=np.random.default_rng(1), size=(4000,))
    other = theirs(*MIXTURE, low, high, q, rng=np.random.default_rng(2), size=(4000,))
    assert len(mine) == 4000
    assert ks_2samp(mine, other).pvalue > 0.001


def test_no_candidates_are_drawn_where_none_are_wanted() -> None:
    assert len(densities.mixture_sample(*MIXTURE, rng=np.random.default_rng(1), size=(0,))) == 0
