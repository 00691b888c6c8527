"""What every assessor answers to: assess and end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Assessor(Protocol):
    """Judges running trials by their intermediate results, and by those of the trials that have ended.

    All that it knows comes from `end`: a new assessor that is told of the same ends judges as the earlier one would.
    """

    #: Whether `assess` takes more than a millisecond. It is then called beside the work that must not wait for it, and
    #: of several results that came meanwhile only the latest is judged.
    slow: bool

    def assess(self, trial_id: str, history: Sequence[float]) -> bool:
        """Tell whether to go on with a trial that has reported `history` so far, oldest first and never empty."""
        ...

    def end(self, trial_id: str, history: Sequence[float], *, succeeded: bool) -> None:
        """Take note of a trial's end, with all of its intermediate results. Only those of one that succeeded teach."""
        ...
