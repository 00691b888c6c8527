"""From a configuration to an experiment that runs on the head of a cluster."""

from __future__ import annotations

import dataclasses
import os
import secrets
import shlex
import string
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml

from ray_remote_nni.cluster.extras import bring_extra
from ray_remote_nni.cluster.request import identity_of
from ray_remote_nni.cluster.state import ClusterState
from ray_remote_nni.config import (
    AlgorithmConfig,
    ExperimentConfig,
    LoadedConfig,
    LocalConfig,
    MachineConfig,
    Problem,
    advise_code,
)
from ray_remote_nni.config.tuner_arguments import INSTALL_MODELS, NEED_SCIKIT_LEARN, SCIKIT_LEARN
from ray_remote_nni.errors import UsageError
from ray_remote_nni.experiment.delete import delete_here
from ray_remote_nni.experiment.head import Head
from ray_remote_nni.experiment.registry import ExperimentEntry, all_experiments
from ray_remote_nni.experiment.spec import ExperimentSpec, MachineSpec
from ray_remote_nni.experiment.upload import Code, CodeNotTaken, Sent, read_code, send_code, sending_code
from ray_remote_nni.paths import private_file, private_folder
from ray_remote_nni.words import plural

_ID_LETTERS = string.ascii_lowercase + string.digits


def new_experiment_id() -> str:
    """Return an id like NNI's: eight small letters and digits."""
    return "".join(secrets.choice(_ID_LETTERS) for _ in range(8))


def make_spec(loaded: LoadedConfig, experiment_id: str, code: str, state: ClusterState) -> ExperimentSpec:
    """Return what the driver is told of an experiment on this cluster."""
    config = loaded.experiment
    local = config.training_service.platform == "local"
    return ExperimentSpec(
        experiment_id=experiment_id,
        name=config.experiment_name,
        config=config.public_dict(),
        search_space=config.search_space,
        tuner=config.tuner.name or "",
        tuner_args=_with_seed(config.tuner),
        trial_command=config.trial_command,
        code=code,
        trial_concurrency=config.trial_concurrency,
        max_trial_number=config.max_trial_number,
        max_experiment_duration_s=config.max_experiment_duration_s,
        max_trial_duration_s=config.max_trial_duration_s,
        trial_gpu_number=config.trial_gpu_number,
        trial_cpu_number=config.ray.trial_cpu_number,
        trial_memory_bytes=config.ray.trial_memory,
        max_trial_retries=config.ray.max_trial_retries,
        trial_environment=config.ray.trial_environment,
        # On the caller's own machine trials have the caller's environment, not that of whoever started the cluster.
        base_environment=dict(os.environ) if local else None,
        machines=machine_specs(config, state),
        assessor=None
        if config.assessor is None or config.assessor.name is None
        else {"name": config.assessor.name, "class_args": config.assessor.class_args},
        duplicates=config.ray.duplicates,
    )


def _with_seed(tuner: AlgorithmConfig) -> dict[str, Any]:
    """Return a built-in tuner's arguments with a seed, so that a tuner that is made anew goes on like the first."""
    drawn = {} if tuner.name is None else {"seed": secrets.randbelow(2**31)}
    return drawn | dict(tuner.class_args)


def machine_specs(config: ExperimentConfig, state: ClusterState) -> tuple[MachineSpec, ...]:
    """Return what the configuration wants of each machine of the cluster, and of those that it misses so far."""
    service = config.training_service
    listed = (service,) if isinstance(service, LocalConfig) else service.machine_list
    wanted = {identity_of(machine): machine for machine in listed}
    specs = []
    for index, identity in state.members:
        machine = wanted.get(identity)
        if machine is None:
            continue
        host, *_ = identity
        options = config.ray.machine(host, machine.port if isinstance(machine, MachineConfig) else 22)
        specs.append(
            MachineSpec(
                index=index,
                host=host,
                max_trials=options.max_trials,
                trials_per_gpu=machine.max_trial_number_per_gpu,
                use_active_gpu=machine.use_active_gpu,
                environment=options.trial_environment,
            )
        )
    return tuple(specs)


def check_results_folder(folder: Path) -> None:
    """Refuse a folder for results that cannot be made or written to, before anything is started. Raises UsageError."""
    there = next((path for path in (folder, *folder.parents) if path.exists()), folder)
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        why = "cannot be written to" if there.is_dir() else "is no folder"
        raise UsageError(f"experimentWorkingDirectory: {folder}: {there} {why}. Name another folder.")


def check_gpus(loaded: LoadedConfig, state: ClusterState) -> None:
    """Refuse trials that no machine could ever run. Raises UsageError."""
    wanted = loaded.experiment.trial_gpu_number or 0
    closed = {spec.index for spec in machine_specs(loaded.experiment, state) if spec.max_trials == 0}
    most = max(
        (machine for machine in state.machines if machine.index not in closed), key=lambda machine: len(machine.gpus)
    )
    if wanted > len(most.gpus):
        raise UsageError(
            f"trialGpuNumber: a trial wants {plural(wanted, 'GPU')}, and no machine offers more than {len(most.gpus)} "
            f"({', '.join(f'{machine.label}: {len(machine.gpus)}' for machine in state.machines)}). "
            "Lower it, allow more in gpuIndices, or add a machine that has them, and repeat `ray-nni up`."
        )


def kept_here(loaded: LoadedConfig) -> frozenset[Path]:
    """Return what is not uploaded where it lies among the code: the configuration, and the results of experiments."""
    results = {Path(entry.directory).resolve() for entry in all_experiments()}
    working_directory = loaded.experiment.experiment_working_directory.resolve()
    if working_directory != loaded.experiment.trial_code_directory.resolve():
        results.add(working_directory)
    return frozenset({loaded.path.resolve(), *results})


async def submit(
    loaded: LoadedConfig, head: Head, warn: Callable[[Problem], None], progress: Callable[[Sent], None]
) -> ExperimentEntry:
    """Upload the code, hand the experiment to the head, and start its driver as a Ray job.

    `warn` is told what is odd about the code, `progress` how the upload goes.
    """
    check_gpus(loaded, head.state)
    config = loaded.experiment
    experiment_id = new_experiment_id()
    code = read_code(config.trial_code_directory.resolve(), kept_here(loaded))
    for problem in advise_code(loaded, code.sizes, code.left_out):
        warn(problem)
    name = code.manifest.name
    spec = make_spec(loaded, experiment_id, name, head.state)
    for field, algorithm in (("own_tuner", config.tuner), ("own_assessor", config.assessor)):
        if algorithm is not None and algorithm.class_name is not None:
            own = await send_own(loaded, algorithm, head, progress)
            changes: dict[str, Any] = {field: own}
            spec = dataclasses.replace(spec, **changes)
    directory = config.experiment_working_directory / experiment_id
    _write_config(directory, spec.config)
    entry = ExperimentEntry(
        experiment_id=experiment_id,
        name=config.experiment_name,
        directory=str(directory),
        cluster=head.state.name,
        config=str(loaded.path.absolute()),
        started=time.time(),
        code=name,
        job="",
        tuner_needs=SCIKIT_LEARN if config.tuner.name in NEED_SCIKIT_LEARN else None,
    )
    question = {"experiment": experiment_id, "spec": spec.to_json(), "code": name}
    if (await head.ask("ray_remote_nni.experiment.receive", question))["code"]:
        return await start_driver(entry, head)
    return await start_while_sending(entry, code, head, progress)


async def start_while_sending(
    entry: ExperimentEntry, code: Code, head: Head, progress: Callable[[Sent], None]
) -> ExperimentEntry:
    """Start a driver while its code is sent: it brings to the other machines what has arrived.

    Without its code it gives up, and nothing of the experiment is left; where all was sent, it may run for all we know.
    """
    started: ExperimentEntry | None = None
    all_sent = False

    def follow(sent: Sent) -> None:
        nonlocal all_sent
        all_sent = sent.files == sent.all_files
        progress(sent)

    try:
        async with sending_code(code, head, follow):
            started = await start_driver(entry, head)
        return started
    except BaseException as error:
        if started is None or not all_sent or isinstance(error, CodeNotTaken):
            delete_here(entry)
        raise


async def send_own(
    loaded: LoadedConfig, algorithm: AlgorithmConfig, head: Head, progress: Callable[[Sent], None]
) -> dict[str, Any]:
    """Send the folder of a tuner or assessor of the user's own; return what the driver is told of it."""
    folder = algorithm.code_directory or loaded.path.absolute().parent
    code = read_code(folder.resolve(), kept_here(loaded))
    name = code.manifest.name
    await send_code(code, head, progress)
    return {"class_name": algorithm.class_name, "class_args": algorithm.class_args, "code": name}


async def start_driver(entry: ExperimentEntry, head: Head) -> ExperimentEntry:
    """Start a driver for an experiment whose spec is on the head, and whose code is there or on its way.

    What its tuner needs is brought first: `up` may not have known of it, or another head may be in its place.
    """
    libraries = []
    if entry.tuner_needs is not None:
        found = await bring_extra(head.connection, head.machine.python, entry.tuner_needs, INSTALL_MODELS)
        libraries = [] if found is None else [found]
    job = f"ray-nni-{entry.experiment_id}-{secrets.token_hex(3)}"
    entry = dataclasses.replace(entry, job=job, cluster=head.state.name)
    # Remembered before it runs: whatever happens to us now, it can be found.
    entry.save()
    dashboard = await head.dashboard()
    command = driver_command(head.machine.python, entry.experiment_id, libraries)
    await dashboard.submit_job(job, command, {"experiment": entry.experiment_id})
    return entry


def driver_command(python: str, experiment_id: str, libraries: Sequence[str] = ()) -> str:
    """Return the command of a Ray job that is an experiment's driver; `libraries` are for its tuner's imports."""
    # Without a shell in between: what Ray watches is the driver itself.
    return f"exec {shlex.join([python, '-m', 'ray_remote_nni.experiment.driver', experiment_id, *libraries])}"


def _write_config(directory: Path, config: Any) -> None:
    # Trials may print what is nobody else's business.
    try:
        with private_file(private_folder(directory) / "config.yml") as file:
            yaml.safe_dump(config, file, sort_keys=False, allow_unicode=True)
    except OSError as error:
        raise UsageError(
            f"experimentWorkingDirectory: {directory} cannot be written to: {error.strerror}. Name another folder."
        ) from error
