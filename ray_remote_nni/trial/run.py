"""Runs one trial attempt on the machine it was sent to, and tells what happens, batch by batch. Knows no Ray."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ray_remote_nni.guard.client import GuardedProcess, GuardLost, StartFailed
from ray_remote_nni.trial.command import command_argv
from ray_remote_nni.trial.conda import with_conda
from ray_remote_nni.trial.environment import trial_environment, visible_gpus
from ray_remote_nni.trial.metrics import MetricReader
from ray_remote_nni.trial.spec import Ended, NotStarted, Started, TrialEvent, TrialSpec
from ray_remote_nni.trial.windows import windows_argv
from ray_remote_nni.trial.working_copy import leave_to_others, restock
from ray_remote_nni.trial.workspace import Workspace, last_lines, no_room, prepare_workspace

#: In the environment of all that belongs to a node, so that `down` finds what its guard may have lost.
_NODE_MARK = "RAY_NNI_NODE"
#: How long a metric may wait for its way to the driver, and so the longest life of a trial told in one batch.
_BATCH_S = 0.25


@dataclass(frozen=True)
class Machine:
    """What a trial must know of the machine, as the node's raylet was told; `gpu_indices` None does not limit it."""

    host: str
    guard_socket: str
    python_path: str | None
    gpu_indices: tuple[int, ...] | None

    @classmethod
    def from_environment(cls) -> Machine:
        """Return the machine that this process runs on."""
        indices = os.environ.get("RAY_NNI_GPU_INDICES")
        return cls(
            host=os.environ["RAY_NNI_HOST"],
            guard_socket=os.environ["RAY_NNI_GUARD"],
            python_path=os.environ.get("RAY_NNI_PYTHON_PATH"),
            gpu_indices=None if indices is None else tuple(int(index) for index in indices.split(",") if index),
        )


def run_attempt(spec: TrialSpec, machine: Machine, code: Path) -> Iterator[list[TrialEvent]]:
    """Run the trial; yield what happened since the last batch, the last of all an Ended or NotStarted.

    Closing the iterator, or a KeyboardInterrupt in it, ends the trial's process tree.
    """
    try:
        with GuardedProcess(machine.guard_socket) as process:
            workspace = prepare_workspace(spec, code)
            missing = spec.loads is not None and not os.path.exists(workspace.code / spec.loads)
            started = _start(process, spec, machine, workspace)
            yield from _follow(process, workspace, Started(machine.host, spec.gpus, started, missing), code)
    except (GuardLost, StartFailed, OSError) as error:
        yield [NotStarted(machine.host, str(error))]


def _start(process: GuardedProcess, spec: TrialSpec, machine: Machine, workspace: Workspace) -> float:
    inherited: Mapping[str, str] = process.environment
    if spec.base_environment is not None:
        mark = {name: value for name, value in inherited.items() if name == _NODE_MARK}
        inherited = {**spec.base_environment, **mark}
    environment = trial_environment(
        spec,
        workspace,
        inherited,
        python_path=machine.python_path,
        visible_gpus=visible_gpus(spec.gpu_number, spec.gpus, machine.gpu_indices),
    )
    if sys.platform == "win32":
        argv = windows_argv(spec.command, environment)
    else:
        command = with_conda(spec.command, environment, machine.python_path)
        argv = command_argv(command, environment.get("PATH"), workspace.code)
    return process.start(
        f"{spec.experiment_id}/{spec.trial_id}/{spec.attempt}",
        argv,
        cwd=workspace.code,
        environment=environment,
        stdout=workspace.stdout,
        stderr=workspace.stderr,
        timeout_s=spec.timeout_s,
        places=_places(spec),
    )


def _places(spec: TrialSpec) -> dict[str, int | None]:
    """Return what the trial shares with others of this machine, and with how many in all.

    Where its own experiment does not limit the machine it counts among the trials of those that do.
    """
    return {"trials": spec.max_trials, **{f"gpu {index}": spec.trials_per_gpu for index in spec.gpus}}


def _follow(process: GuardedProcess, workspace: Workspace, started: Started, code: Path) -> Iterator[list[TrialEvent]]:
    reader = MetricReader(workspace.metrics)
    batch: list[TrialEvent] = [started]
    restocked = False
    while True:
        ended = process.wait(_BATCH_S)
        batch += reader.read(last=ended is not None)
        if ended is not None:
            break
        if batch:
            yield batch
            batch = []
        # This is no short trial: what is done for the next does not hold it up.
        if not restocked:
            restock(code)
            restocked = True
    leave_to_others(code, str(workspace.code))
    error = last_lines(workspace.stderr) or no_room(workspace.code) if ended.exit_code != 0 else None
    batch.append(Ended(ended.exit_code, ended.time_s, ended.reason, error))
    yield batch
