"""The way from a YAML file to a checked experiment: read, fill in, normalise, build, check; all errors at once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ray_remote_nni.config.algorithms import check_tuner
from ray_remote_nni.config.assessors import check_assessor
from ray_remote_nni.config.build import Builder
from ray_remote_nni.config.environment import substitute
from ray_remote_nni.config.files import check_files
from ray_remote_nni.config.hints import field_names
from ray_remote_nni.config.legacy import convert_v1, is_v1
from ray_remote_nni.config.legacy_names import ROOT_BLOCKS, ROOT_FIELDS
from ray_remote_nni.config.located import LocatedDict, LocatedScalar, Source
from ray_remote_nni.config.models import AlgorithmConfig, ExperimentConfig, MachineConfig, RemoteConfig
from ray_remote_nni.config.names import FieldPath, nearest, some_of
from ray_remote_nni.config.normalise import normalise
from ray_remote_nni.config.problems import ConfigInvalid, Level, Problem, in_reading_order
from ray_remote_nni.config.service import HasUser, build_service, check_service, nobody_knows, relevant
from ray_remote_nni.config.space_source import load_search_space
from ray_remote_nni.config.spelling import correct_names
from ray_remote_nni.config.text_file import Unreadable, read_text
from ray_remote_nni.config.unused import unused_warnings
from ray_remote_nni.config.yaml_source import Unparsable, parse_yaml

_FROM_PROGRAM = (
    "Write one with a line NAME: VALUE for each experiment.config.NAME = VALUE of the program, and trainingService: "
    "{platform: local} for Experiment('local')"
)


@dataclass(frozen=True)
class LoadedConfig:
    """A config that can be used, and what its author should know nevertheless."""

    path: Path
    experiment: ExperimentConfig
    warnings: tuple[Problem, ...]


def load_config(
    path: Path,
    environ: Mapping[str, str] = os.environ,
    *,
    has_user: HasUser = nobody_knows,
    unlisted: Level = "error",
) -> LoadedConfig:
    """Read and check the config at `path`. Raises ConfigInvalid with all of its problems.

    `has_user(host, port)` tells whether a machine's login name is known from elsewhere, so that it may be left out.
    Options for a machine that is not listed (`ray.machines`) are as bad as `unlisted` says.
    """
    source = read_source(path)
    base = path.absolute().parent
    source, unset = substitute(source, environ)
    refuse_other_files(source)
    source, odd = in_v2(source)
    experiment, problems = _build(source, base, has_user, unlisted)
    problems += odd
    unset = relevant(source, unset, problems)
    # What is wrong with a value whose variable is not set is that variable, whatever else it seems to be.
    places = {(problem.line, problem.column) for problem in unset}
    problems = [problem for problem in problems if (problem.line, problem.column) not in places] + unset
    problems = in_reading_order(_without_moot_warnings(problems), source.file)
    if experiment is None or any(problem.level == "error" for problem in problems):
        raise ConfigInvalid(problems)
    return LoadedConfig(path, experiment, tuple(problems))


def refuse_other_files(source: Source) -> None:
    """Raise ConfigInvalid for a file that is about something else: it has not one field of an experiment."""
    known = (*field_names(ExperimentConfig), "advisor", *ROOT_FIELDS, *ROOT_BLOCKS)
    keys = [entry.key for entry in source.root.entries]
    if keys and not is_v1(source.root) and not any(nearest(key, known, likeness=0.8) for key in keys):
        message = f"this is no experiment's configuration: it has other fields ({some_of(keys)})"
        raise ConfigInvalid(
            [source.problem((), message, "Check that this is the file you mean", mark=source.root.mark)]
        )


def _without_moot_warnings(problems: list[Problem]) -> list[Problem]:
    """Without the warnings about fields that are wrong anyway."""
    wrong = {(problem.file, problem.field) for problem in problems if problem.level == "error"}
    return [problem for problem in problems if problem.level == "error" or (problem.file, problem.field) not in wrong]


def in_v2(source: Source) -> tuple[Source, list[Problem]]:
    """The source in the v2 schema and the models' spelling, and what had to be said on the way."""
    source, dropped = convert_v1(source) if is_v1(source.root) else (source, [])
    source, misspelt = correct_names(source)
    source, doubled = normalise(source)
    return source, dropped + misspelt + doubled


def read_source(path: Path) -> Source:
    """The file as located values. Raises ConfigInvalid where it is no YAML mapping."""
    file = str(path)
    try:
        text = read_text(path)
        if path.suffix == ".py":
            raise Unreadable("this is a Python program; an experiment is described by a YAML file", _FROM_PROGRAM)
        node = parse_yaml(text)
    except Unreadable as error:
        raise ConfigInvalid([Problem(file, None, None, "", "error", error.message, error.remedy)]) from error
    except Unparsable as error:
        raise ConfigInvalid(
            [
                Problem(file, flaw.mark.line, flaw.mark.column, flaw.field, "error", flaw.message, flaw.remedy)
                for flaw in error.flaws
            ]
        ) from error
    if node is None:
        message, remedy = "the file is empty", "Start from an example: configs/quickstart.yml"
        raise ConfigInvalid([Problem(file, 1, 1, "", "error", message, remedy)])
    if not isinstance(node, LocatedDict):
        message, remedy = "the file holds no mapping of fields", "Write one 'name: value' in each line"
        raise ConfigInvalid([Problem(file, node.mark.line, node.mark.column, "", "error", message, remedy)])
    return Source(file, node)


def _build(
    source: Source, base: Path, has_user: HasUser, unlisted: Level
) -> tuple[ExperimentConfig | None, list[Problem]]:
    builder = Builder(source, base)
    ready: dict[str, Any] = {"training_service": build_service(builder)}
    ready["search_space"], problems = load_search_space(source, base)
    if source.root.given("trialCodeDirectory") is None:
        ready["trial_code_directory"] = base
    for name in ("tuner", "assessor"):
        node = source.root.given(name)
        if node is not None:
            algorithm = builder.build(AlgorithmConfig, node, (name,))
            ready[name] = algorithm
            if algorithm is not None and name == "tuner":
                ready[name], more = check_tuner(source, algorithm, (name,))
                problems += more
            elif algorithm is not None:
                ready[name], more = check_assessor(source, algorithm, (name,))
                problems += more
    experiment = builder.build(ExperimentConfig, source.root, (), ready)
    problems += check_files(source, base) + check_service(source, has_user, unlisted) + unused_warnings(source)
    return None if experiment is None else _settled(experiment, source), builder.problems + problems


def _settled(experiment: ExperimentConfig, source: Source) -> ExperimentConfig:
    """Fills in what one field decides about another."""
    update: dict[str, Any] = {}
    if experiment.debug and source.root.given("logLevel") is None:
        update["log_level"] = "debug"
    service = experiment.training_service
    if isinstance(service, RemoteConfig):
        machines = tuple(map(_with_settled_key, service.machine_list))
        update["training_service"] = service.model_copy(update={"machine_list": machines})
    ray = experiment.ray.hiding(_from_variables(source, ("ray",)))
    options = {
        host: one.hiding(_from_variables(source, ("ray", "machines", host))) for host, one in ray.machines.items()
    }
    update["ray"] = ray.model_copy(update={"machines": options})
    return experiment.model_copy(update=update)


def _from_variables(source: Source, block: FieldPath) -> list[str]:
    """The names in a block's `trialEnvironment` whose values come from the environment."""
    environment = source.find((*block, "trialEnvironment"))
    entries = environment.entries if isinstance(environment, LocatedDict) else ()
    return [e.key for e in entries if isinstance(e.value, LocatedScalar) and e.value.template is not None]


def _with_settled_key(machine: MachineConfig) -> MachineConfig:
    """Without a key file that does not exist, as NNI's default may not, or any beside a password."""
    key = machine.ssh_key_file
    if key is None or key.is_file():
        return machine
    return machine.model_copy(update={"ssh_key_file": None})
