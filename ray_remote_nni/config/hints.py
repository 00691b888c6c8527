"""What to tell somebody whose field name is not one: a typo, a v1 name, a field of another block."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel

from ray_remote_nni.config.algorithm_defaults import DEFAULTS
from ray_remote_nni.config.models import AlgorithmConfig, ExperimentConfig, RemoteConfig, models_in
from ray_remote_nni.config.names import FieldPath, fold, listed, nearest, some_of

# v1 name -> where that setting is in the v2 schema; empty where it is nowhere.
V1_NAMES = {
    "maxExecDuration": "maxExperimentDuration",
    "maxTrialNum": "maxTrialNumber",
    "searchSpacePath": "searchSpaceFile",
    "logDir": "experimentWorkingDirectory",
    "trial": "trialCommand, trialCodeDirectory and trialGpuNumber, at the top level of the file",
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
    "preCommand": "the beginning of trialCommand",
    "trialPrepareCommand": "the beginning of trialCommand",
}
_TOP = "at the top level of the file"
#: Arguments of tuners and assessors.
_ARGUMENTS = frozenset({"tpe_args", *(name for arguments in DEFAULTS.values() for name in arguments)})
#: What a file lacks that has v1's block `trial`.
_TRIAL_BLOCK: tuple[FieldPath, ...] = (("trialCommand",),)
_CODE_DIR: dict[type[BaseModel], str] = {AlgorithmConfig: "codeDirectory", ExperimentConfig: "trialCodeDirectory"}
_V1_FOLDED = {fold(name): meaning for name, meaning in V1_NAMES.items()}


@dataclass(frozen=True)
class Hint:
    """What is wrong with a name, what to do, and the field of the same block that was meant, if any.

    `belongs` are the fields of other blocks that were meant.
    """

    message: str
    remedy: str
    meant: str | None = None
    belongs: tuple[FieldPath, ...] = ()


def hint_for_unknown(key: str, model: type[BaseModel], path: FieldPath) -> Hint:
    """A hint for a key that is no field of `model`, the model at `path`."""
    names = field_names(model)
    v1_meaning = _V1_FOLDED.get(fold(key))
    if fold(key) == "codedir" and model in _CODE_DIR:
        v1_meaning = _CODE_DIR[model]
    if v1_meaning is not None:
        if not v1_meaning:
            return Hint("this is a field of NNI's v1 schema", "Remove it: v2 has no such setting")
        meant = v1_meaning if v1_meaning in names else None
        belongs = _TRIAL_BLOCK if fold(key) == "trial" and not path else ()
        message = f"this is a v1 name; in the v2 schema this is {v1_meaning}"
        remedy = "Write those" if belongs else f"Write {v1_meaning}"
        if v1_meaning.startswith("the beginning of"):
            remedy = "Write it there, followed by && and what runs now"
        return Hint(message, remedy, meant, belongs)
    if path == ("trainingService",) and fold(key) in map(fold, field_names(RemoteConfig)):
        return Hint("there is no such field with platform local", "Write platform: remote, or remove it")
    if model is AlgorithmConfig and key in _ARGUMENTS:
        return Hint("there is no such field here; it belongs in classArgs", "Move it there")
    homes = _homes(key, path)
    if homes:
        where = listed("in " + ".".join(map(str, home)) if home else _TOP for *home, _ in homes)
        where = where.replace(" or in ", " or ")
        return Hint(f"there is no such field here; it belongs {where}", "Move it there", belongs=homes)
    close = nearest(key, names)
    if close is not None:
        message = f"there is no such field; the nearest is {close}"
        return Hint(message, f"Write {close}, or remove it", close)
    return Hint("there is no such field", f"Remove it; accepted here: {some_of(names, most=12)}")


def field_names(model: type[BaseModel]) -> list[str]:
    """The names of a model's fields as they are written in the YAML."""
    return [str(info.alias) for info in model.model_fields.values()]


def _homes(key: str, path: FieldPath) -> tuple[FieldPath, ...]:
    """The fields of this name in other blocks; items of lists have no number."""
    here = tuple(step for step in path if isinstance(step, str))
    found = {home for home in _search(key, ExperimentConfig, ()) if home[:-1] != here}
    return tuple(sorted(found, key=lambda home: ".".join(map(str, home[:-1]))))


def _search(key: str, model: type[BaseModel], home: FieldPath) -> list[FieldPath]:
    found = [(*home, name) for name in field_names(model) if fold(name) == fold(key)]
    for info in model.model_fields.values():
        for nested in models_in(info.annotation):
            found += _search(key, nested, (*home, str(info.alias)))
    return found
