"""The parts of hyperopt that we use, imported without the parts that cost a second of start-up.

hyperopt 0.3 imports its `atpe` along with everything else, and that one module all of scipy.stats: 0.7 s of
1.1 s. Nothing here needs it, so it is left out of hyperopt's first import and can be imported later.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any


def _import_hyperopt() -> Any:
    name = "hyperopt.atpe"
    if "hyperopt" in sys.modules or name in sys.modules:
        import hyperopt

        return hyperopt
    sys.modules[name] = ModuleType(name)
    try:
        import hyperopt
    finally:
        del sys.modules[name]
    if "atpe" in vars(hyperopt):
        del hyperopt.atpe
    return hyperopt


hyperopt = _import_hyperopt()

from hyperopt.pyll import Apply, Literal, as_apply, dfs, scope  # noqa: E402
from hyperopt.pyll.stochastic import implicit_stochastic_symbols  # noqa: E402
from hyperopt.tpe import (  # noqa: E402
    adaptive_parzen_normal,
    build_posterior_wrapper,
    linear_forgetting_weights,
    normal_cdf,
)

__all__ = [
    "Apply",
    "Literal",
    "adaptive_parzen_normal",
    "as_apply",
    "build_posterior_wrapper",
    "dfs",
    "hyperopt",
    "implementations",
    "is_random",
    "linear_forgetting_weights",
    "normal_cdf",
    "scope",
]


def implementations() -> Mapping[str, Callable[..., Any]]:
    """The function behind each node name, as hyperopt's own evaluator finds it."""
    found: dict[str, Callable[..., Any]] = dict(scope._impls)
    # Its body returns one more graph node, which hyperopt's evaluator goes on to evaluate.
    found["randint_via_categorical"] = found["categorical"]
    return found


def is_random(node: Apply) -> bool:
    """Whether a node draws random numbers."""
    return node.name in implicit_stochastic_symbols
