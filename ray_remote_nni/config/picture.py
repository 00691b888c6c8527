"""What an experiment will do, said in full: sections of rows, defaults included."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ray_remote_nni.config.algorithm_defaults import DEFAULTS
from ray_remote_nni.config.models import (
    AlgorithmConfig,
    ExperimentConfig,
    LocalConfig,
    MachineConfig,
    MachineOptions,
    RemoteConfig,
)
from ray_remote_nni.config.options import LOCAL_HOST
from ray_remote_nni.config.public import duration_text, looks_secret
from ray_remote_nni.config.search_space import range_names
from ray_remote_nni.words import plural

Row = tuple[str, ...]


@dataclass(frozen=True)
class Section:
    """A table: its title, the names of its columns (none where the first column names the row), and its rows."""

    title: str
    columns: Row
    rows: tuple[Row, ...]


def picture(experiment: ExperimentConfig) -> tuple[Section, ...]:
    """All sections, with no secret in them."""
    return (
        _machines(experiment),
        Section("Trials", (), tuple(_trials(experiment))),
        Section("Limits", (), tuple(_limits(experiment))),
        Section("Search space", ("parameter", "type", "values"), tuple(_space(experiment.search_space, ""))),
        Section(f"Tuner: {_name(experiment.tuner)}", (), tuple(_algorithm(experiment.tuner))),
        *(
            [Section(f"Assessor: {_name(experiment.assessor)}", (), tuple(_algorithm(experiment.assessor)))]
            if experiment.assessor is not None
            else []
        ),
    )


def _machines(experiment: ExperimentConfig) -> Section:
    service = experiment.training_service
    columns = ("machine", "login", "pythonPath", "GPUs", "options")
    if isinstance(service, RemoteConfig):
        rows = tuple(
            (*_machine(machine), _options(experiment.ray.machine(machine.host, machine.port)))
            for machine in service.machine_list
        )
    else:
        options = _options(experiment.ray.machine(LOCAL_HOST))
        rows = (("this machine", "none needed", "your own PATH", _gpus(service), options),)
    # Options are rare, and the table is wide.
    width = len(columns) if any(row[-1] for row in rows) else len(columns) - 1
    return Section("Machines", columns[:width], tuple(row[:width] for row in rows))


def _machine(machine: MachineConfig) -> Row:
    port = f":{machine.port}" if "port" in machine.model_fields_set else ""
    python = machine.python_path or "the login's own PATH"
    user = f"{machine.user}@" if machine.user is not None else ""
    return f"{user}{machine.host}{port}", _login(machine), python, _gpus(machine)


def _login(machine: MachineConfig) -> str:
    if machine.password is not None:
        password = "password, asked for" if machine.password.get_secret_value() == "ask" else "password"
        return f"{password}; key {machine.ssh_key_file}" if machine.ssh_key_file else password
    passphrase = " with its passphrase" if machine.ssh_passphrase is not None else ""
    return f"key {machine.ssh_key_file}{passphrase}" if machine.ssh_key_file else "SSH agent, or your usual keys"


def _gpus(place: MachineConfig | LocalConfig) -> str:
    indices = "all" if place.gpu_indices is None else ", ".join(map(str, place.gpu_indices))
    if not indices:
        return "none"
    trials = place.max_trial_number_per_gpu
    each = f" for {trials} trials each" if trials > 1 else ""
    return f"{indices}{each}, {'also' if place.use_active_gpu else 'not'} while others use them"


def _options(options: MachineOptions) -> str:
    parts = [] if options.enabled else ["not used"]
    parts += [] if options.max_trials is None else [f"at most {plural(options.max_trials, 'trial')}"]
    return ", ".join([*parts, *(f"${name}={value}" for name, value in options.public_environment.items())])


def _trials(experiment: ExperimentConfig) -> Iterator[Row]:
    ray = experiment.ray
    yield "command", experiment.trial_command.strip()
    yield "code", str(experiment.trial_code_directory)
    gpus = experiment.trial_gpu_number
    told = "not reserved: a trial sees all of its machine" if gpus is None else "none: a trial sees no GPU"
    yield "GPUs", f"{gpus} for each trial" if gpus else told
    yield "CPUs", f"{ray.trial_cpu_number:g} reserved for each" if ray.trial_cpu_number else "not reserved"
    yield "memory", f"{ray.trial_memory} bytes reserved for each" if ray.trial_memory else "not reserved"
    yield "at once", str(experiment.trial_concurrency)
    yield "after the loss of a machine", f"up to {plural(ray.max_trial_retries, 'repetition')}"
    for name, value in ray.public_environment.items():
        yield f"${name}", value


def _limits(experiment: ExperimentConfig) -> Iterator[Row]:
    number = experiment.max_trial_number
    yield "trials", "no limit" if number is None else str(number)
    for what, seconds in (
        ("time of all", experiment.max_experiment_duration_s),
        ("time of a trial", experiment.max_trial_duration_s),
    ):
        yield what, "no limit" if seconds is None else duration_text(seconds)
    yield "results", str(experiment.experiment_working_directory)


def _space(space: Mapping[str, Any], indent: str) -> Iterator[Row]:
    for name, spec in space.items():
        kind, values = (spec.get("_type"), spec.get("_value")) if isinstance(spec, Mapping) else (None, None)
        if not isinstance(values, list):
            # A tuner of one's own may have forms of its own.
            yield indent + name, "", json.dumps(spec, ensure_ascii=False)
            continue
        nested = [value for value in values if isinstance(value, Mapping) and "_name" in value]
        if kind == "choice" and nested:
            yield indent + name, kind, ", ".join(str(value["_name"]) for value in nested)
            for value in nested:
                inner = {key: item for key, item in value.items() if key != "_name"}
                if inner:
                    yield f"{indent}  if {value['_name']}:", "", ""
                    yield from _space(inner, indent + "    ")
        elif kind in ("choice", None):
            yield indent + name, str(kind or ""), ", ".join(json.dumps(value, ensure_ascii=False) for value in values)
        else:
            parts = zip(range_names(str(kind)), values, strict=False)
            yield indent + name, str(kind), ", ".join(f"{part} {value}" for part, value in parts)


def _name(algorithm: AlgorithmConfig) -> str:
    return algorithm.name or algorithm.class_name or ""


def _algorithm(algorithm: AlgorithmConfig) -> Iterator[Row]:
    if algorithm.code_directory is not None:
        yield "code", str(algorithm.code_directory)
    given = dict(algorithm.class_args)
    given |= given.pop("tpe_args", None) or {}
    # Written out, null has a meaning of its own.
    if "constant_liar_type" in given and given["constant_liar_type"] is None:
        given["constant_liar_type"] = "null: running trials do not count"
    for name, default in DEFAULTS.get(algorithm.name or "", {}).items():
        yield (name, _shown(name, given.pop(name))) if name in given else (name, f"{default} (default)")
    for name, value in given.items():
        yield name, _shown(name, value)


def _shown(name: str, value: Any) -> str:
    if looks_secret(name):
        return "***"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
