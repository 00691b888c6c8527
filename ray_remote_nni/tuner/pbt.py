"""NNI's PBT: a population of models that are trained step by step, where bad ones go on from a copy of a good one.

A trial trains one member for one step: it loads a checkpoint from `load_checkpoint_dir`, and saves one into
`save_checkpoint_dir`, both among its parameters, `<all_checkpoint_dir>/<member>/<step>`. Once all members have made a
step, the worst of them take over checkpoint and parameters of one of the best, and change each parameter a little or
draw it anew. A member without a value counts as the worst, and so does not hold up the others.
Source: Jaderberg et al. 2017, arXiv 1711.09846; NNI 3.0, nni/algorithms/hpo/pbt_tuner.py.
"""

from __future__ import annotations

import math
import os
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ray_remote_nni.tuner.arguments import Rule, integer, read_arguments, real, text
from ray_remote_nni.tuner.contract import NotYet, Tuner
from ray_remote_nni.tuner.space import Choice, Domain, Integer, Normal, Numbers, OutsideSpace, SearchSpace, Uniform
from ray_remote_nni.tuner.space.quantile import quantile
from ray_remote_nni.tuner.strategy import StrategyTuner
from ray_remote_nni.tuner.tpe.graph import HyperoptPrior

LOAD, SAVE = "load_checkpoint_dir", "save_checkpoint_dir"


@dataclass(frozen=True)
class PbtSettings:
    """NNI's classArgs of PBT."""

    all_checkpoint_dir: str = "~/nni/checkpoint"
    population_size: int = 10
    factor: float = 0.2
    resample_probability: float = 0.25
    fraction: float = 0.2


@dataclass(frozen=True)
class Member:
    """A member of the population in a step: its parameters, the checkpoint that it loads, and how it ended."""

    place: int
    numbers: Numbers
    load: str
    loss: float = math.inf


def create_pbt(space: SearchSpace, class_args: Mapping[str, Any], seed: int | None) -> Tuner:
    """Make the tuner from NNI's classArgs. Raises UsageError."""
    defaults = PbtSettings()
    own: dict[str, tuple[Rule, Any]] = {
        "all_checkpoint_dir": (text(), defaults.all_checkpoint_dir),
        "population_size": (integer(1), defaults.population_size),
        "factor": (real(0), None),
        # What NNI's validator calls it.
        "factors": (real(0), defaults.factor),
        "resample_probability": (real(0, 1), defaults.resample_probability),
        "fraction": (real(0, 1), defaults.fraction),
    }
    arguments = read_arguments("PBT", class_args, seed, own=own)
    settings = PbtSettings(
        # Whose home it is, the trials would not agree about.
        all_checkpoint_dir=os.path.expanduser(arguments["all_checkpoint_dir"]),
        population_size=arguments["population_size"],
        factor=arguments["factors"] if arguments["factor"] is None else arguments["factor"],
        resample_probability=arguments["resample_probability"],
        fraction=arguments["fraction"],
    )
    return StrategyTuner(Pbt(space, settings), arguments.seed, arguments.maximize)


class Pbt:
    """A Strategy whose trials are members of a population that makes its steps together."""

    def __init__(self, space: SearchSpace, settings: PbtSettings) -> None:
        """Start before the first step, whose members are drawn when they are asked for."""
        self._space = space
        self._prior = HyperoptPrior(space)
        self._settings = settings
        self._step = 0
        self._next: dict[int, Member] = {}  # of this step, by place; empty in the first one
        self._asked: set[int] = set()
        self._ended: dict[int, Member] = {}

    def suggest(self, rng: np.random.Generator) -> tuple[dict[str, Any], Member]:
        """Return a member's parameters for its next step; see Strategy. Raises NotYet until all have made this one."""
        self._go_on(rng)
        place = next((place for place in range(self._settings.population_size) if place not in self._asked), None)
        if place is None:
            raise NotYet("the members of the population make their steps together")
        member = self._next[place] if self._next else self._drawn(place, rng)
        self._asked.add(place)
        parameters, settled = self._space.settle(member.numbers)
        checkpoints = {LOAD: member.load, SAVE: self._checkpoint(place, self._step)}
        return {**parameters, **checkpoints}, replace(member, numbers=settled)

    def recognise(self, parameters: dict[str, Any], rng: np.random.Generator) -> Member | None:
        """Return the member of an earlier trial, known by where it saves; see Strategy.

        Where the search space has changed since, the member goes on, with parameters that are drawn from the new one.
        """
        self._go_on(rng)
        place = _place(parameters.get(SAVE), self._step)
        if place is None or place in self._asked or place >= self._settings.population_size:
            return None
        self._asked.add(place)
        own = {name: value for name, value in parameters.items() if name not in (LOAD, SAVE)}
        try:
            numbers = self._space.encode(own)
        except OutsideSpace:
            _, numbers = self._space.settle(self._prior.draw(rng))
        return Member(place, numbers, str(parameters.get(LOAD)))

    def learn(self, trial: Member, loss: float | None) -> None:
        """Take the end of a member's step; see Strategy."""
        self._ended[trial.place] = replace(trial, loss=math.inf if loss is None else loss)

    def _drawn(self, place: int, rng: np.random.Generator) -> Member:
        # NNI too lets a first trial look where it is going to save: there is nothing there yet.
        return Member(place, self._prior.draw(rng), self._checkpoint(place, 0))

    def _checkpoint(self, place: int, step: int) -> str:
        return posixpath.join(self._settings.all_checkpoint_dir, str(place), str(step))

    def _go_on(self, rng: np.random.Generator) -> None:
        """Begin the next step once all have made this one."""
        if len(self._ended) < self._settings.population_size:
            return
        ranked = sorted(self._ended.values(), key=lambda member: (member.loss, member.place))
        count = math.ceil(self._settings.fraction * len(ranked))
        best = [member for member in ranked[:count] if member.loss < math.inf]
        self._next = {}
        for rank, member in enumerate(ranked):
            # Who has no value has no checkpoint that one could rely on. The best never give up, however many are bad.
            bad = member.loss == math.inf or rank >= max(len(ranked) - count, len(best))
            self._next[member.place] = self._after(member, bad, best, rng)
        self._asked, self._ended = set(), {}
        self._step += 1

    def _after(self, member: Member, bad: bool, best: list[Member], rng: np.random.Generator) -> Member:
        """Return a member as it makes the next step."""
        if not bad:
            return replace(member, load=self._checkpoint(member.place, self._step))
        if not best:
            # All have failed: from where they were, with other parameters.
            return replace(member, numbers=self._explored(member.numbers, rng))
        model = best[int(rng.integers(len(best)))]
        return Member(member.place, self._explored(model.numbers, rng), self._checkpoint(model.place, self._step))

    def _explored(self, numbers: Numbers, rng: np.random.Generator) -> Numbers:
        """Return numbers of which each is drawn anew or moved, up or down."""
        explored = []
        for parameter, number in zip(self._space.parameters, numbers, strict=True):
            anew, place, up = rng.random(), rng.random(), rng.random() < 0.5
            if math.isnan(number) or anew < self._settings.resample_probability:
                # What hangs on another value of a choice too: the choice may be what moves.
                explored.append(quantile(parameter.domain, place))
            else:
                explored.append(_moved(parameter.domain, number, 1 if up else -1, self._settings.factor))
        return explored


def _moved(domain: Domain, number: float, direction: int, factor: float) -> float:
    """Move a number as NNI does: by one value where there are such, else by a share of the range, or of sigma."""
    if isinstance(domain, (Choice, Integer)):
        low = 0 if isinstance(domain, Choice) else domain.low
        return float(min(max(number + direction, low), low + domain.size - 1))
    assert isinstance(domain, (Uniform, Normal))
    if domain.step is not None:
        moved = (round(number / domain.step) + direction) * domain.step
        # Below 0 there is nothing in a log form.
        return max(moved, 0.0) if domain.log else moved
    if isinstance(domain, Normal):
        width = domain.sigma
    else:
        width = math.log(domain.high / domain.low) if domain.log else domain.high - domain.low
    by = direction * factor * width
    return number * math.exp(by) if domain.log else number + by


def _place(save: Any, step: int) -> int | None:
    """Return the place of the member that saves there in this step, None for what is no checkpoint of this step."""
    parts = save.split("/") if isinstance(save, str) else []
    if len(parts) < 2 or parts[-1] != str(step) or not parts[-2].isdigit():
        return None
    return int(parts[-2])
