"""NNI 3.0's TpeTuner without the rest of NNI: `pip install --no-deps nni==3.0` is enough."""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any


class NoMoreTrialError(Exception):
    """What NNI's tuners raise at the end of the space."""


def load_tpe_tuner() -> Any:
    """Return the class, with a bare `nni` package around it.

    NNI raises KeyError on a choice nested two deep whose outer branch was not taken; that is repaired here,
    so that it can be measured.
    """
    name = "nni.algorithms.hpo.tpe_tuner"
    if name not in sys.modules:
        _make_bare_package()
        formatting = importlib.import_module("nni.common.hpo_utils.formatting")
        utilities = sys.modules["nni.common.hpo_utils"]
        for public in formatting.__all__:
            setattr(utilities, public, getattr(formatting, public))
        formatting.ParameterSpec.is_activated_in = _is_active
        for module, public in (("dedup", "Deduplicator"), ("optimize_mode", "OptimizeMode")):
            loaded = importlib.import_module(f"nni.common.hpo_utils.{module}")
            setattr(utilities, public, getattr(loaded, public))
        hpo: Any = sys.modules["nni.algorithms.hpo"]
        hpo.random_tuner = importlib.import_module("nni.algorithms.hpo.random_tuner")
    return importlib.import_module(name).TpeTuner


def _is_active(spec: Any, parameters: dict[Any, Any]) -> bool:
    return not spec.is_nested() or parameters.get(spec.key[:-2]) == spec.key[-2]


def _make_bare_package() -> None:
    found = importlib.util.find_spec("nni")
    if found is None or not found.submodule_search_locations:
        raise ModuleNotFoundError("NNI 3.0 is needed for this contestant: pip install --no-deps nni==3.0")
    root = Path(found.submodule_search_locations[0])
    _module("nni", root, NoMoreTrialError=NoMoreTrialError, ClassArgsValidator=object, load=json.loads, dump=_dump)
    for folder in ("algorithms", "algorithms/hpo", "common", "common/hpo_utils"):
        _module("nni." + folder.replace("/", "."), root / folder)
    _module("nni.typehint", None, Parameters=dict, SearchSpace=dict)
    _module("nni.tuner", None, Tuner=object)
    _module("nni.utils", None, extract_scalar_reward=lambda value: value)
    if importlib.util.find_spec("schema") is None:
        _module("schema", None, Schema=object, Optional=object)


def _module(name: str, path: Path | None, **attributes: Any) -> None:
    module = ModuleType(name)
    if path is not None:
        module.__path__ = [str(path)]
    vars(module).update(attributes)
    sys.modules[name] = module


def _dump(value: Any, **options: Any) -> str:
    return json.dumps(value, default=lambda item: item.item() if hasattr(item, "item") else str(item), **options)
