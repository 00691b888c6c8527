"""The `nni` that a trial imports: the real one wherever its Python has one, else a small stand-in.

This folder is at the end of a trial's PYTHONPATH, and so in front of site-packages: the first thing to do is
to look for a real `nni` on the rest of the path and, where there is one, to load it in our stead. It costs a
trial a millisecond or two.

Runs on Python 3.6 and later, and imports what it needs when it needs it: a trial's start is in every trial's
time.
"""

import sys

from ._elsewhere import path_to_real_nni

_real_path = path_to_real_nni()

if _real_path is not None:
    # The import system hands out what sys.modules holds once this module has run, and the rest of the process
    # (submodules, worker processes that take over sys.path) then knows the real one only.
    sys.path[:] = _real_path
    for _name in [name for name in sys.modules if name == "nni" or name.startswith("nni.")]:
        del sys.modules[_name]
    import nni  # noqa: F401
else:
    from . import utils
    from ._missing import announce_missing
    from .trial import (
        get_current_parameter,
        get_experiment_id,
        get_next_parameter,
        get_next_parameters,
        get_sequence_id,
        get_trial_id,
        report_final_result,
        report_intermediate_result,
    )

    ClassArgsValidator = utils.ClassArgsValidator
    dump = utils.dump
    load = utils.load

    class NoMoreTrialError(Exception):
        """Raised by a tuner that has nothing left to suggest."""

    __all__ = [
        "ClassArgsValidator",
        "NoMoreTrialError",
        "dump",
        "get_current_parameter",
        "get_experiment_id",
        "get_next_parameter",
        "get_next_parameters",
        "get_sequence_id",
        "get_trial_id",
        "load",
        "report_final_result",
        "report_intermediate_result",
    ]

    # As the trial's interface is that of 3.0, a script that compares versions gets what it wants.
    __version__ = "3.0+ray.remote.nni"

    announce_missing(__name__)
