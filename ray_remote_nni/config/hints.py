"""What to tell somebody whose field name is not one: a typo, a v1 name, a field of another block."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel

from ray_remote_nni.config.models import ExperimentConfig, RemoteConfig, models_in
from ray_remote_nni.config.names import FieldPath, fold, listed, nearest, some_of

# v1 name -> where that setting is in the v2 schema; empty where it is nowhere.
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
    "authorName": "",
    "description": "",
    "versionCheck": "",
    "logCollection": "",
    "multiThread": "",
    "multiPhase": "",
    "includeIntermediateResults": "",
    "trainingServicePlatform": "platform in the block trainingService",
    "preCommand": "part of trialCommand",
    "trialPrepareCommand": "part of trialCommand",
}
_V1_FOLDED = {fold(name): meaning for name, meaning in V1_NAMES.items()}


@dataclass(frozen=True)
class Hint:
    """What is wrong with a name, what to do, and the field of the same block that was meant, if any."""

    message: str
    remedy: str
    meant: str | None = None


def hint_for_unknown(key: str, model: type[BaseModel], path: FieldPath) -> Hint:
    """A hint for a key that is no field of `model`, the model at `path`."""
    names = field_names(model)
    v1_meaning = _V1_FOLDED.get(fold(key))
    if v1_meaning is not None:
        if not v1_meaning:
            return Hint("this is a field of NNI's v1 schema", "Remove it: v2 has no such setting")
        meant = v1_meaning if v1_meaning in names else None
        return Hint(f"this is a v1 name; in the v2 schema this is {v1_meaning}", f"Write {v1_meaning}", meant)
    if path == ("trainingService",) and fold(key) in map(fold, field_names(RemoteConfig)):
        return Hint("there is no such field with platform local", "Write platform: remote, or remove it")
    homes = _homes(key, path)
    if homes:
        return Hint(f"there is no such field here; it belongs in {listed(homes)}", "Move it there")
    close = nearest(key, names)
    if close is not None:
        message = f"there is no such field; the nearest is {close}"
        return Hint(message, f"Write {close}, or remove it", close)
    return Hint("there is no such field", f"Remove it; accepted here: {some_of(names, most=12)}")


def field_names(model: type[BaseModel]) -> list[str]:
    """The names of a model's fields as they are written in the YAML."""
    return [str(info.alias) for info in model.model_fields.values()]


def _homes(key: str, path: FieldPath) -> list[str]:
    """The blocks that do have a field of this name."""
    here = ".".join(str(step) for step in path if isinstance(step, str))
    return sorted({home or "the top level of the file" for home in _search(key, ExperimentConfig, "") if home != here})


def _search(key: str, model: type[BaseModel], home: str) -> list[str]:
    found = [home] if fold(key) in {fold(name) for name in field_names(model)} else []
    for info in model.model_fields.values():
        for nested in models_in(info.annotation):
            found += _search(key, nested, f"{home}.{info.alias}" if home else str(info.alias))
    return found
