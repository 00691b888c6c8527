"""Search spaces for the tests, and their strategies for hypothesis."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

Space = dict[str, Any]


def uniform(low: float, high: float) -> Space:
    return {"_type": "uniform", "_value": [low, high]}


def randint(low: int, high: int) -> Space:
    return {"_type": "randint", "_value": [low, high]}


def choice(*values: Any) -> Space:
    return {"_type": "choice", "_value": list(values)}


FLAT: Space = {
    "rate": {"_type": "loguniform", "_value": [1e-5, 0.1]},
    "momentum": uniform(0, 1),
    "units": randint(3, 40),
    "batch": {"_type": "qloguniform", "_value": [4, 500, 4]},
    "dropout": {"_type": "quniform", "_value": [0.05, 0.9, 0.1]},
    "offset": {"_type": "normal", "_value": [3, 2]},
    "steps": {"_type": "qnormal", "_value": [50, 20, 5]},
    "decay": {"_type": "lognormal", "_value": [-4, 1]},
    "size": {"_type": "qlognormal", "_value": [2, 0.5, 2]},
    "activation": choice("relu", "tanh", 3, None),
}
NESTED: Space = {
    "model": choice(
        {"_name": "linear"},
        {"_name": "tree", "depth": randint(1, 9), "rate": {"_type": "loguniform", "_value": [0.001, 1]}},
        {
            "_name": "net",
            "width": randint(8, 129),
            "head": choice({"_name": "plain"}, {"_name": "deep", "layers": randint(1, 4), "drop": uniform(0, 0.5)}),
        },
    ),
    "scale": choice(True, False),
}
SMALL: Space = {
    "kind": choice({"_name": "a"}, {"_name": "b", "n": randint(0, 3)}),
    "flag": choice("on", "off"),
    "step": {"_type": "quniform", "_value": [0, 1, 0.5]},
}
SMALL_SIZE = (1 + 3) * 2 * 3


_finite = st.floats(-1e6, 1e6, allow_nan=False)
_positive = st.floats(1e-6, 1e6)
_step = st.floats(1e-3, 1e3)
_leaf = st.one_of(st.integers(-5, 5), st.floats(-2, 2), st.text(max_size=3), st.booleans(), st.none())


def _ordered(values: st.SearchStrategy[float]) -> st.SearchStrategy[list[float]]:
    return st.lists(values, min_size=2, max_size=2, unique=True).map(sorted).filter(lambda v: v[1] - v[0] > 1e-6)


def _spec(kind: str, values: st.SearchStrategy[list[Any]]) -> st.SearchStrategy[Space]:
    return values.map(lambda drawn: {"_type": kind, "_value": drawn})


_bounds, _log_bounds = _ordered(_finite), _ordered(_positive)
_normal = st.tuples(_finite, _positive).map(list)
_log_normal = st.tuples(st.floats(-5, 5), st.floats(0.01, 3)).map(list)


def _with_step(values: st.SearchStrategy[list[Any]]) -> st.SearchStrategy[list[Any]]:
    return st.tuples(values, _step).map(lambda pair: [*pair[0], pair[1]])


_flat_specs = st.one_of(
    _spec("choice", st.lists(_leaf, min_size=1, max_size=5)),
    _spec("randint", _ordered(st.integers(-(2**40), 2**40))),
    _spec("uniform", _bounds),
    _spec("quniform", _with_step(_bounds)),
    _spec("loguniform", _log_bounds),
    _spec("qloguniform", _with_step(_log_bounds)),
    _spec("normal", _normal),
    _spec("qnormal", _with_step(_normal)),
    _spec("lognormal", _log_normal),
    _spec("qlognormal", _with_step(_log_normal)),
)


def _nested(specs: st.SearchStrategy[Space]) -> st.SearchStrategy[Space]:
    branches = st.lists(st.dictionaries(st.sampled_from("xyz"), specs, max_size=2), min_size=1, max_size=3)
    return branches.map(
        lambda drawn: choice(*({"_name": f"b{number}", **branch} for number, branch in enumerate(drawn)))
    )


def search_spaces() -> st.SearchStrategy[Space]:
    """Spaces of all ten types with choices nested up to some depth."""
    specs = st.recursive(_flat_specs, _nested, max_leaves=6)
    return st.dictionaries(st.text("abc/ 1", min_size=1, max_size=3), specs, min_size=1, max_size=4)
