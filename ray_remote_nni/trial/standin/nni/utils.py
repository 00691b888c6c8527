"""The part of `nni.utils` that trial scripts, tuners and assessors use."""

import json
from enum import Enum

from ._files import _plain
from ._missing import announce_missing


def merge_parameter(base_params, override_params):
    """Put the values of the dict `override_params` into `base_params`, a namespace (argparse's, say) or a dict.

    Returns `base_params`, changed in place; None as `override_params` changes nothing. As in NNI, a
    ValueError tells of a name that `base_params` has not, and of a value whose type is not the one there. An
    int may take a float's place, and anything that of None.
    """
    values = base_params if isinstance(base_params, dict) else _Attributes(base_params)
    for name, value in (override_params or {}).items():
        if name not in values:
            raise ValueError("the parameter {!r} is none of the script's own: {!r}".format(name, base_params))
        values[name] = _in_place_of(values[name], value, name)
    return base_params


class _Attributes:
    """An object's attributes, to be used like a dict."""

    def __init__(self, owner):
        self._owner = owner

    def __contains__(self, name):
        return hasattr(self._owner, name)

    def __getitem__(self, name):
        return getattr(self._owner, name)

    def __setitem__(self, name, value):
        setattr(self._owner, name, value)


def _in_place_of(before, value, name):
    if before is None or isinstance(value, type(before)):
        return value
    if isinstance(before, float) and isinstance(value, int):
        return float(value)
    raise ValueError(
        "the parameter {!r} is {!r}, of type {}: the script has {!r} there, of type {}".format(
            name, value, type(value).__name__, before, type(before).__name__
        )
    )


class OptimizeMode(Enum):
    """What is to be done to a metric."""

    Minimize = "minimize"
    Maximize = "maximize"


class MetricType:
    """The types of metrics."""

    FINAL = "FINAL"
    PERIODICAL = "PERIODICAL"
    REQUEST_PARAMETER = "REQUEST_PARAMETER"


class NodeType:
    """The special names in search spaces and parameters."""

    ROOT = "root"
    TYPE = "_type"
    VALUE = "_value"
    INDEX = "_index"
    NAME = "_name"


def extract_scalar_reward(value, scalar_key="default"):
    """Return the number in a metric: itself, or what a dict has as `scalar_key`. RuntimeError where there is none."""
    number = value.get(scalar_key) if isinstance(value, dict) else value
    if not isinstance(number, (float, int)):
        raise RuntimeError(
            "Incorrect final result: {!r} is neither a number nor a dict whose {!r} is one".format(value, scalar_key)
        )
    return number


def extract_scalar_history(trial_history, scalar_key="default"):
    """Return the numbers in a list of metrics."""
    return [extract_scalar_reward(value, scalar_key) for value in trial_history]


def dump(obj):
    """Return the JSON of what may have numbers of numpy's in it; `nni.dump`."""
    return json.dumps(obj, default=_plain)


def load(string):
    """Return what a text of JSON says; `nni.load`."""
    return json.loads(string)


class ClassArgsValidator:
    """The base of classes that check classArgs. The real `nni` calls them when an algorithm is registered."""

    def validate_class_args(self, **kwargs):
        """Raise an exception where the arguments are bad."""


announce_missing(__name__)
