"""What every tuner answers to: ask, tell, fail and restore."""

from __future__ import annotations

from typing import Any, Protocol


class NoMoreTrials(Exception):
    """The search space has nothing left to try; trials that still run may be told all the same."""


class NotYet(Exception):
    """Nothing can be suggested before one more of the running trials has ended; ask again then."""


class Tuner(Protocol):
    """Suggests parameters and learns from the results of trials.

    Trials may run in parallel: any number of them may be asked for before the first result is told.
    All methods may be called from several threads at once.
    """

    def ask(self, trial_id: str) -> dict[str, Any]:
        """Return the parameters of a new trial, as NNI would hand them to it.

        The dict is the caller's to keep and to change. Raises `NoMoreTrials` when the search space is
        used up, `NotYet` when the tuner has to see the end of a trial first (never while none is running),
        and ValueError for an id that was asked for or restored before and has not ended.
        """
        ...

    def tell(self, trial_id: str, value: float) -> None:
        """Report the final value of a trial's default metric; the trial has ended.

        Raises ValueError for a trial that is not running.
        """
        ...

    def fail(self, trial_id: str) -> None:
        """Report that a trial has ended and will never have a value.

        Raises ValueError for a trial that is not running.
        """
        ...

    def restore(self, trial_id: str, parameters: dict[str, Any]) -> None:
        """Take a trial of an earlier run as asked for, with the parameters that it had.

        It counts as running until `tell` or `fail`. A new tuner with the same arguments that gets all
        earlier trials and their ends in the order in which the earlier tuner did suggests what that one
        would have. Parameters that do not fit the search space are accepted, count as
        one trial, and teach nothing.
        """
        ...
