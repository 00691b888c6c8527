"""What a trial calls: get parameters, report results, ask who it is.

Inside an experiment (NNI_PLATFORM is set) all goes through the files of `_files`. Outside, a script can be
tried by hand: it gets no parameters, and its results are logged.
"""

import os

from . import _files

_inside = os.environ.get("NNI_PLATFORM") is not None
_experiment_id = os.environ.get("NNI_EXP_ID") or "STANDALONE"
_trial_id = os.environ.get("NNI_TRIAL_JOB_ID") or "STANDALONE"
_sequence_id = int(os.environ.get("NNI_TRIAL_SEQ_ID") or 0)

_record = None
_intermediate_sequence = 0


def get_next_parameter():
    """Return this trial's parameters, a dict.

    A trial has one set of parameters: a second call returns them again, with a warning. Outside an
    experiment: `{}`, with a warning.
    """
    global _record
    if not _inside:
        _warn("nni.get_next_parameter() outside an experiment: no parameters, the script's own defaults hold")
        _record = {"parameter_id": None, "parameters": {}}
    elif _record is None:
        _record = _files.read_parameters()
    else:
        _warn("nni.get_next_parameter() was called again: a trial has one set of parameters, and gets the same ones")
    return _record["parameters"]


def get_next_parameters():
    """Another name of `get_next_parameter`, as in NNI."""
    return get_next_parameter()


def get_current_parameter(tag=None):
    """Return the parameters that `get_next_parameter` returned, or the one named `tag`; None before that call."""
    if _record is None:
        return None
    return _record["parameters"] if tag is None else _record["parameters"][tag]


def report_intermediate_result(metric):
    """Report a number, or a dict whose key `default` is one: the accuracy after an epoch, say."""
    global _intermediate_sequence
    _report("PERIODICAL", _intermediate_sequence, metric)
    _intermediate_sequence += 1


def report_final_result(metric):
    """Report the trial's result: a number, or a dict whose key `default` is one."""
    _report("FINAL", 0, metric)


def get_experiment_id():
    """Return the experiment's id, "STANDALONE" outside an experiment."""
    return _experiment_id


def get_trial_id():
    """Return the trial's id, "STANDALONE" outside an experiment."""
    return _trial_id


def get_sequence_id():
    """Return the trial's number in its experiment, from 0; 0 outside an experiment."""
    return _sequence_id


def overwrite_intermediate_seq(value):
    """Go on numbering intermediate results from `value`: for a script that continues from a checkpoint."""
    global _intermediate_sequence
    _intermediate_sequence = value


def _report(kind, sequence, metric):
    if not _inside:
        _log(kind, sequence, metric)
        return
    # An AssertionError as in NNI, whose scripts may know it, but also under `python -O`.
    if _record is None:
        raise AssertionError("call nni.get_next_parameter() before reporting a result")
    _files.append_metric(_record.get("parameter_id"), _trial_id, kind, sequence, metric)


def _log(kind, sequence, metric):
    import logging
    import sys

    logger = logging.getLogger("nni")
    if not logger.handlers:
        handler = logging.StreamHandler(sys.stdout)
        handler.setFormatter(logging.Formatter("[%(asctime)s] %(message)s", "%Y-%m-%d %H:%M:%S"))
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
    if kind == "FINAL":
        logger.info("Final result: %s", metric)
    else:
        logger.info("Intermediate result: %s  (Index %s)", metric, sequence)


def _warn(message):
    import warnings

    warnings.warn(message, RuntimeWarning, stacklevel=3)
