"""What to tell somebody whose field name is not one: a typo, a v1 name, a field of another block."""

from __future__ import annotations

import types
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel

from ray_remote_nni.config.models import ExperimentConfig
from ray_remote_nni.config.names import FieldPath, fold, listed, nearest

# v1 name -> where that setting is in the v2 schema.
V1_NAMES = {
    "maxExecDuration": "maxExperimentDuration",
    "maxTrialNum": "maxTrialNumber",
    "searchSpacePath": "searchSpaceFile",
    "logDir": "experimentWorkingDirectory",
    "trial": "trialCommand, trialCodeDirectory and trialGpuNumber",
    "command": "trialCommand",
    "codeDir": "codeDirectory, or trialCodeDirectory for the trial's code",
    "gpuNum": "trialGpuNumber",
    "builtinTunerName": "name",
    "builtinAssessorName": "name",
    "builtinAdvisorName": "name",
    "classFileName": "className, as file.Class",
    "localConfig": "trainingService",
    "remoteConfig": "trainingService",
    "maxTrialNumPerGpu": "maxTrialNumberPerGpu",
    "ip": "host",
    "username": "user",
    "passwd": "password",
    "sshKeyPath": "sshKeyFile",
    "passphrase": "sshPassphrase",
    "reuse": "reuseMode",
    "authorName": "no field any more: remove it",
    "description": "no field any more: remove it",
    "versionCheck": "no field any more: remove it",
    "logCollection": "no field any more: remove it",
    "multiThread": "no field any more: remove it",
    "multiPhase": "no field any more: remove it",
    "includeIntermediateResults": "no field any more: remove it",
}
_V1_FOLDED = {fold(name): meaning for name, meaning in V1_NAMES.items()}


def hint_for_unknown(key: str, model: type[BaseModel], path: FieldPath) -> tuple[str, str]:
    """Message and remedy for a key that is no field of `model`, the model at `path`."""
    names = field_names(model)
    close = nearest(key, names)
    v1_meaning = _V1_FOLDED.get(fold(key))
    if v1_meaning is not None and (close is None or fold(close) not in fold(v1_meaning)):
        close = None
    if v1_meaning is not None:
        if v1_meaning.startswith("no field"):
            return "this is a field of NNI's v1 schema", "Remove it: v2 has no such setting"
        return f"this is a v1 name; in the v2 schema this is {v1_meaning}", f"Write {close or v1_meaning}"
    homes = _homes(key, path)
    if homes:
        return f"there is no such field here; it belongs into {listed(homes)}", "Move it there"
    if close is not None:
        return f"there is no such field; the nearest is {close}", f"Write {close}, or remove the line"
    return "there is no such field", f"Remove it; accepted here: {', '.join(names)}"


def field_names(model: type[BaseModel]) -> list[str]:
    """The names of a model's fields as they are written in the YAML."""
    return [str(info.alias) for info in model.model_fields.values()]


def _homes(key: str, path: FieldPath) -> list[str]:
    """The blocks that do have a field of this name."""
    here = ".".join(str(step) for step in path if isinstance(step, str))
    return sorted({home or "the top level" for home in _search(key, ExperimentConfig, "") if home != here})


def _search(key: str, model: type[BaseModel], home: str) -> list[str]:
    found = [home] if fold(key) in {fold(name) for name in field_names(model)} else []
    for info in model.model_fields.values():
        for nested in _models_in(info.annotation):
            found += _search(key, nested, f"{home}.{info.alias}" if home else str(info.alias))
    return found


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in (Union, types.UnionType, tuple) or hasattr(annotation, "__metadata__"):
        return [model for part in get_args(annotation) for model in _models_in(part)]
    return []
