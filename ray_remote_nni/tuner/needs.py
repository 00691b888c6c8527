"""What a tuner needs of whoever runs its trials, beside what the contract says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Needs:
    """What a tuner needs."""

    #: The argument that names a folder which all its trials share, if there is such a one.
    shared_folder: str | None = None
    #: The parameters that name where in it a trial goes on from what another saved, and where it saves.
    loads: str | None = None
    saves: str | None = None
    #: Whether the last intermediate result of a trial that succeeds without a final one is to be told as that, as in
    #: NNI's hyperband_advisor and bohb_advisor.
    last_intermediate: bool = False
    #: Whether results change what it suggests. If they do not, it need not be told any, and can be asked ahead.
    learns: bool = True


_NEEDS: Mapping[str, Needs] = {
    "Random": Needs(learns=False),
    "GridSearch": Needs(learns=False),
    "Batch": Needs(learns=False),
    "Hyperband": Needs(last_intermediate=True),
    "BOHB": Needs(last_intermediate=True),
    "PBT": Needs(shared_folder="all_checkpoint_dir", loads="load_checkpoint_dir", saves="save_checkpoint_dir"),
}


def needs_of(tuner: str) -> Needs:
    """Return what a tuner needs, by its name as TUNER_NAMES has it."""
    return _NEEDS.get(tuner, Needs())
