"""NNI's search spaces: what can be suggested, and how a trial sees it."""

from __future__ import annotations

from ray_remote_nni.tuner.space.domains import Choice, Domain, Integer, Normal, OutsideSpace, Uniform
from ray_remote_nni.tuner.space.parse import parse_search_space
from ray_remote_nni.tuner.space.space import Numbers, Parameter, SearchSpace

__all__ = [
    "Choice",
    "Domain",
    "Integer",
    "Normal",
    "Numbers",
    "OutsideSpace",
    "Parameter",
    "SearchSpace",
    "Uniform",
    "parse_search_space",
]
