"""What is allowed in a config and most likely not meant: warnings for `check`, which looks closer than `run`."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace

from ray_remote_nni.config.algorithm_defaults import DEFAULTS
from ray_remote_nni.config.environment import substitute
from ray_remote_nni.config.load import LoadedConfig, in_v2, read_source
from ray_remote_nni.config.located import Source
from ray_remote_nni.config.models import (
    AlgorithmConfig,
    ExperimentConfig,
    LocalConfig,
    MachineConfig,
    MachineOptions,
    RemoteConfig,
)
from ray_remote_nni.config.names import FieldPath, some_of
from ray_remote_nni.config.options import LOCAL_HOST
from ray_remote_nni.config.problems import Problem
from ray_remote_nni.words import plural

_LARGE_BYTES = 100 * 1000**2
_INTERPRETER = re.compile(r"(?:.*/)?(?:python[0-9.]*|bash|sh)")


def advise(
    loaded: LoadedConfig,
    sizes: Mapping[str, int],
    secret: Collection[str] = (),
    environ: Mapping[str, str] = os.environ,
) -> list[Problem]:
    """Warnings beyond `loaded.warnings`, those of `advise_run` and `advise_code` among them."""
    source = _source(loaded, environ)
    experiment = loaded.experiment
    advices = (
        *_concurrency(experiment),
        *_command(experiment),
        *_own(experiment),
        *_checkpoints(experiment),
        *_resampling(experiment),
        *_code(experiment, sizes, secret),
    )
    return _problems(source, advices)


def advise_run(loaded: LoadedConfig, environ: Mapping[str, str] = os.environ) -> list[Problem]:
    """Those of the warnings without which an experiment would come to nothing for a reason that is plain before."""
    experiment = loaded.experiment
    # Whether the folder that is named is a shared one, its owner knows; `check` asks.
    unshared = _checkpoints(experiment) if experiment.tuner.class_args.get("all_checkpoint_dir") is None else ()
    return _problems(_source(loaded, environ), (*_command(experiment), *_own(experiment), *unshared))


def advise_code(
    loaded: LoadedConfig,
    sizes: Mapping[str, int],
    secret: Collection[str] = (),
    environ: Mapping[str, str] = os.environ,
) -> list[Problem]:
    """Those of the warnings that are about the code directory.

    `sizes` has the bytes of each file in it that goes to the machines, by its path there; those in `secret` are kept
    back, since passwords stand in them.
    """
    return _problems(_source(loaded, environ), _code(loaded.experiment, sizes, secret))


_Advice = tuple[FieldPath, str, str | None]


def _source(loaded: LoadedConfig, environ: Mapping[str, str]) -> Source:
    return in_v2(substitute(read_source(loaded.path), environ)[0])[0]


def _problems(source: Source, advices: Iterable[_Advice]) -> list[Problem]:
    problems = []
    for path, message, remedy in advices:
        problem = source.problem(path, message, remedy, level="warning", mark=source.mark_of_key(path))
        # What is not in the file has no line there.
        problems.append(problem if source.find(path) is not None else replace(problem, line=None, column=None))
    return problems


def _concurrency(experiment: ExperimentConfig) -> Iterator[_Advice]:
    path = ("trialConcurrency",)
    wanted, most = experiment.trial_concurrency, experiment.max_trial_number
    if most is not None and wanted > most:
        yield path, f"{wanted} at once, but maxTrialNumber ends it after {plural(most, 'trial')}", None
    population = experiment.tuner.class_args.get("population_size", int(DEFAULTS["Evolution"]["population_size"]))
    if experiment.tuner.name == "Evolution" and wanted > population:
        message = f"{wanted} at once, but never more run than the population of Evolution has members, {population}"
        yield path, message, "Raise population_size, best far above this, or lower this"
    room = _room(experiment)
    if room is not None and wanted > room:
        at_once = plural(room, "trial")
        message = f"{wanted} at once, but the machines have room for {at_once} by gpuIndices and maxTrials: others wait"
        yield path, message, "Give more gpuIndices, raise maxTrialNumberPerGpu or maxTrials, or lower this"


def _room(experiment: ExperimentConfig) -> int | None:
    """How many trials run at once by what the config says; None where that is known on the machines only."""
    service = experiment.training_service
    places: list[tuple[MachineConfig | LocalConfig, MachineOptions]]
    if isinstance(service, RemoteConfig):
        places = [(machine, experiment.ray.machine(machine.host, machine.port)) for machine in service.machine_list]
    else:
        places = [(service, experiment.ray.machine(LOCAL_HOST))]
    room = 0
    for place, options in places:
        limits = [] if options.enabled else [0]
        limits += [] if options.max_trials is None else [options.max_trials]
        if experiment.trial_gpu_number and place.gpu_indices is not None:
            limits.append(len(place.gpu_indices) * place.max_trial_number_per_gpu // experiment.trial_gpu_number)
        if not limits:
            return None
        room += min(limits)
    return room


def _checkpoints(experiment: ExperimentConfig) -> Iterator[_Advice]:
    service = experiment.training_service
    if experiment.tuner.name != "PBT" or not isinstance(service, RemoteConfig):
        return
    options = [experiment.ray.machine(machine.host, machine.port) for machine in service.machine_list]
    if sum(one.enabled and one.max_trials != 0 for one in options) < 2:
        return
    folder = experiment.tuner.class_args.get("all_checkpoint_dir")
    shared = "a folder that all machines share (NFS or the like)"
    if folder is None:
        message = "trials go on from checkpoints of others, and by default these stay on the machine that wrote them"
        yield ("tuner",), message, f"Add all_checkpoint_dir to its classArgs: {shared}; or run trials on one machine"
    else:
        message = f"trials on several machines go on from each other's checkpoints in {folder}"
        yield ("tuner", "classArgs", "all_checkpoint_dir"), message, f"Make sure that it is {shared}"


def _resampling(experiment: ExperimentConfig) -> Iterator[_Advice]:
    wanted = experiment.tuner.name == "Metis" and experiment.tuner.class_args.get("no_resampling") is False
    if wanted and experiment.ray.duplicates == "avoid":
        message = "Metis is to try configurations again, and ray.duplicates: avoid, the default, forbids it"
        yield ("tuner", "classArgs", "no_resampling"), message, "Add duplicates: allow to the block ray"


def _command(experiment: ExperimentConfig) -> Iterator[_Advice]:
    name = _script(experiment.trial_command)
    if name is not None and not (experiment.trial_code_directory / name).exists():
        message = f"there is no {name} in {experiment.trial_code_directory}"
        yield ("trialCommand",), message, "Check the name, or trialCodeDirectory"


def _own(experiment: ExperimentConfig) -> Iterator[_Advice]:
    """Modules of one's own that are not in the folder which is said to hold them."""
    own: dict[str, AlgorithmConfig | None] = {"tuner": experiment.tuner, "assessor": experiment.assessor}
    for kind, algorithm in own.items():
        if algorithm is None or algorithm.class_name is None or algorithm.code_directory is None:
            continue
        module = algorithm.class_name.partition(".")[0]
        folder = algorithm.code_directory
        files = (file.suffix for file in folder.glob(f"{module}.*"))
        if not (folder / module).is_dir() and not any(suffix in (".py", ".pyc", ".so", ".pyd") for suffix in files):
            message = f"there is no {module}.py in {folder}"
            remedy = "Check the name, or codeDirectory; else the trials' Python must have it installed"
            yield (kind, "className"), message, remedy


def _script(command: str) -> str | None:
    """The script that a command runs, where that is plain: an interpreter, options, and the name of a file."""
    try:
        words = shlex.split(command, comments=True)
    except ValueError:
        return None
    if len(words) < 2 or not _INTERPRETER.fullmatch(words[0]):
        return None
    script = next((word for word in words[1:] if not re.fullmatch(r"-[a-zA-Z]", word) or word in ("-m", "-c")), "")
    plain = script.endswith((".py", ".sh")) and not re.search(r"[$`*?~]", script) and not os.path.isabs(script)
    return script if plain else None


def _code(experiment: ExperimentConfig, sizes: Mapping[str, int], secret: Collection[str]) -> Iterator[_Advice]:
    path = ("trialCodeDirectory",)
    tops: dict[str, int] = {}
    for name, size in sizes.items():
        top = name.partition("/")[0]
        tops[top] = tops.get(top, 0) + size
    total = sum(tops.values())
    if total > _LARGE_BYTES:
        largest = sorted(tops.items(), key=lambda item: -item[1])[:3]
        # What is small beside the largest is no help.
        parts = ", ".join(f"{name} {_megabytes(size)}" for name, size in largest if size >= total / 20)
        folder = experiment.trial_code_directory
        message = f"{folder} holds {_megabytes(total)} that go to the machines"
        if parts:
            message += f"; the largest: {parts}"
        remedy = "Name a folder that holds no more than the trials need, or list the rest in its .nniignore"
        yield path, message, remedy
    if secret:
        message = f"files in which passwords are written out are not sent to the machines: {some_of(sorted(secret))}"
        yield path, message, "If trials need such a file, write ask or ${VARIABLE} in it in place of the password"


def _megabytes(size: int) -> str:
    return f"{size / 1000**2:.0f} MB" if size < 1000**3 else f"{size / 1000**3:.1f} GB"
