"""TPE as a tuner: it keeps the history, decides when the model starts, and never repeats itself."""

from __future__ import annotations

import math
import threading
from typing import Any

import numpy as np

from ray_remote_nni.tuner.space import SearchSpace, OutsideSpace, Numbers
from ray_remote_nni.tuner.tpe.graph import HyperoptGraph
from ray_remote_nni.tuner.tpe.history import History, Split
from ray_remote_nni.tuner.tpe.settings import TpeSettings
from ray_remote_nni.tuner.tpe.coordinates import Coordinates
from ray_remote_nni.tuner.tpe.mixture import Mixture
from ray_remote_nni.tuner.tpe.engine import linear_forgetting_weights


class TpeTuner:
    """first cut"""

    def __init__(self, space: SearchSpace, settings: TpeSettings, avoid_duplicates: bool = True) -> None:
        self._space, self._settings = space, settings
        self._graph = HyperoptGraph(space, settings.prior_weight, settings.linear_forgetting)
        self._history = History(len(space.parameters), settings.linear_forgetting)
        self._coordinates = Coordinates(space)
        self._rows: dict[str, int | None] = {}
        self._lock = threading.Lock()
        self._asked = 0

    def ask(self, trial_id: str) -> dict[str, Any]:
        with self._lock:
            rng = np.random.default_rng([self._settings.seed, self._asked])
            h = self._history
            if h.valued < self._settings.n_startup_jobs:
                numbers = self._graph.draw(rng)
            else:
                split = h.split(min(math.ceil(0.1 * h.valued), 25), 300)
                if rng.random() < 0.0:
                    numbers = self._graph.suggest(h.numbers, split, 24, rng)
                else:
                    numbers = self._joint(split, rng)
            parameters, numbers = self._space.settle(numbers)
            self._rows[trial_id] = h.add(numbers)
            self._asked += 1
            return parameters

    def _joint(self, split, rng):
        c = self._coordinates
        ng, nb = len(split.good), len(split.bad)
        w = np.log(ng + 0.5) - np.log(np.arange(ng) + 1.0)
        wg = np.append(w / w.mean(), 1.0)
        wb = np.append(linear_forgetting_weights(nb, 25), 1.0)
        G = Mixture.around(c, c.points(self._history.numbers[split.good]), wg, (0.5, 0.25)[rng.integers(2)])
        B = Mixture.around(c, c.points(self._history.numbers[split.bad]), wb, 1.0)
        p = G.sample(64, rng)
        return c.numbers(p, int(np.argmax(G.log_density(p) - B.log_density(p))))

    def restore(self, trial_id: str, parameters: dict[str, Any]) -> None:
        with self._lock:
            try:
                self._rows[trial_id] = self._history.add(self._space.encode(parameters))
            except OutsideSpace:
                self._rows[trial_id] = None
            self._asked += 1

    def tell(self, trial_id: str, value: float) -> None:
        with self._lock:
            row = self._rows.pop(trial_id)
            loss = -value if self._settings.maximize else value
            if row is not None:
                self._history.end(row, None if math.isnan(loss) or loss == -math.inf else loss)

    def fail(self, trial_id: str) -> None:
        self.tell(trial_id, math.nan)
