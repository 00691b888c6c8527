"""NNI's Anneal, which is hyperopt's: draws around good trials, from ever smaller neighbourhoods.

Only trials that have ended count, failed ones as infinitely bad.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from ray_remote_nni.tuner.space import Choice, Numbers, SearchSpace
from ray_remote_nni.tuner.tpe.engine import hyperopt
from ray_remote_nni.tuner.tpe.graph import HyperoptPrior


class Anneal:
    """A Proposer by `hyperopt.anneal`; its time per suggestion grows with the number of trials."""

    def __init__(self, space: SearchSpace) -> None:
        """Start without trials."""
        self._parameters = space.parameters
        self._prior = HyperoptPrior(space)
        self._domain = self._prior.domain
        self._trials = hyperopt.Trials()

    def proposals(self, rng: np.random.Generator) -> Iterator[Numbers]:
        """Yield hyperopt's suggestions."""
        while True:
            if not self._parameters:
                yield []
            elif not self._trials.trials:
                yield self._prior.draw(rng)
            else:
                new_id = len(self._trials.trials)
                with np.errstate(divide="ignore"):
                    [document] = hyperopt.anneal.suggest([new_id], self._domain, self._trials, int(rng.integers(2**31)))
                values = document["misc"]["vals"]
                yield [float(values[p.label][0]) if values.get(p.label) else math.nan for p in self._parameters]

    def learn(self, numbers: Numbers, loss: float | None) -> None:
        """Hand a trial to hyperopt."""
        new_id = len(self._trials.trials)
        present = [parameter for parameter in self._parameters if not math.isnan(numbers[parameter.index])]
        values = {p.label: [_native(p.domain, numbers[p.index])] for p in present}
        empty: dict[str, list[float]] = {p.label: [] for p in self._parameters}
        misc = {
            "tid": new_id,
            "cmd": self._domain.cmd,
            "workdir": None,
            "idxs": {**empty, **{label: [new_id] for label in values}},
            "vals": {**empty, **values},
        }
        result = {"status": hyperopt.STATUS_OK, "loss": math.inf if loss is None else loss}
        [document] = self._trials.new_trial_docs([new_id], [None], [result], [misc])
        document["state"] = hyperopt.JOB_STATE_DONE
        self._trials.insert_trial_doc(document)
        self._trials.refresh()


def _native(domain: object, number: float) -> float:
    # hyperopt counts categories.
    return int(number) if isinstance(domain, Choice) else number
