"""Curvefitting: a trial goes on while its learning curve, extrapolated, ends not clearly below the best so far."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ray_remote_nni.assessor.curves import predict


class CurveFitting:
    """Learning-curve extrapolation, with NNI's arguments and defaults. Larger results are better: an accuracy, say.

    From the `start_step`-th result on, and then after every `gap` more, the result at `epoch_num` is predicted. A trial
    is stopped if that is not above `threshold` times the best last result of the trials that succeeded.
    Source: Domhan et al. 2015, Speeding up automatic hyperparameter optimization of deep neural networks by
    extrapolation of learning curves; NNI's curvefitting_assessor, whose weights stay within 1 % of equal ones.
    """

    slow = True

    def __init__(
        self,
        epoch_num: int = 20,
        start_step: int = 6,
        threshold: float = 0.95,
        gap: int = 1,
        optimize_mode: str = "maximize",
    ) -> None:
        """Start without any trial. Raises ValueError; `optimize_mode` was an argument of older NNI."""
        if optimize_mode != "maximize":
            raise ValueError("Curvefitting needs a metric that is to be maximized, such as an accuracy")
        if epoch_num < 1 or gap < 1:
            raise ValueError("epoch_num and gap must be at least 1")
        self._epochs = epoch_num
        self._start_step = start_step
        self._threshold = threshold
        self._gap = gap
        self._best: float | None = None
        self._judged: dict[str, int] = {}

    def assess(self, trial_id: str, history: Sequence[float]) -> bool:
        """Tell whether to go on with a trial; see Assessor."""
        step = len(history)
        last = self._judged.get(trial_id)
        if self._best is None or step < self._start_step:
            return True
        if last is not None and last <= step < last + self._gap:
            return True
        self._judged[trial_id] = step
        predicted = predict(history, self._epochs)
        # Of curves that do not agree nothing is known yet.
        return predicted is None or predicted > self._threshold * self._best

    def end(self, trial_id: str, history: Sequence[float], *, succeeded: bool) -> None:
        """Take note of a trial's end; see Assessor."""
        self._judged.pop(trial_id, None)
        if succeeded and history and math.isfinite(history[-1]):
            self._best = history[-1] if self._best is None else max(self._best, history[-1])
