"""The environment of a trial's process."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from ray_remote_nni.trial.spec import TrialSpec
from ray_remote_nni.trial.windows import upper_names, windows_path
from ray_remote_nni.trial.workspace import Workspace

STANDIN = Path(__file__).parent / "standin"
#: The first make bash believe that it was started by sshd, and read ~/.bashrc, whose output would be the trial's; the
#: last is where somebody else was before.
_NOT_OURS = ("SSH_CLIENT", "SSH2_CLIENT", "SSH_CONNECTION", "SSH_TTY", "OLDPWD")


def trial_environment(
    spec: TrialSpec,
    workspace: Workspace,
    inherited: Mapping[str, str],
    *,
    python_path: str | None,
    visible_gpus: str | None,
    windows: bool = sys.platform == "win32",
) -> dict[str, str]:
    """Return the whole environment: what the machine gives, NNI's variables, the configuration's own last.

    `python_path` comes first on PATH. `visible_gpus` is the value of CUDA_VISIBLE_DEVICES, None to leave it alone.
    The file protocol is chosen by `NNI_PLATFORM=local`, and with `REUSE_MODE=false` the real `nni` leaves standard
    output alone.
    """
    environment = {name: value for name, value in inherited.items() if name not in _NOT_OURS}
    # A PATH or PYTHONPATH of the configuration's own is added to like the machine's.
    environment |= spec.environment
    own = {name: value for name, value in spec.environment.items() if name not in ("PATH", "PYTHONPATH")}
    if windows:
        environment = upper_names(environment)
        own = {name: value for name, value in upper_names(own).items() if name not in ("PATH", "PYTHONPATH")}
        environment["PATH"] = windows_path(python_path, environment.get("PATH"))
    elif python_path is not None:
        environment["PATH"] = ":".join(
            filter(None, (python_path, environment.get("PATH", "/usr/local/bin:/usr/bin:/bin")))
        )
    # At the end: a trial that has its own `nni`, or its own anything, keeps it.
    environment["PYTHONPATH"] = (";" if windows else ":").join(
        filter(None, (environment.get("PYTHONPATH"), str(STANDIN)))
    )
    environment |= {
        "NNI_PLATFORM": "local",
        "NNI_EXP_ID": spec.experiment_id,
        "NNI_SYS_DIR": str(workspace.directory),
        "NNI_OUTPUT_DIR": str(workspace.directory),
        "NNI_TRIAL_JOB_ID": spec.trial_id,
        "NNI_TRIAL_SEQ_ID": str(spec.sequence),
        "NNI_CODE_DIR": str(workspace.code),
        "PWD": str(workspace.code),
        "MULTI_PHASE": "false",
        "REUSE_MODE": "false",
    }
    if visible_gpus is not None:
        environment["CUDA_VISIBLE_DEVICES"] = visible_gpus
        # CUDA numbers GPUs by their speed otherwise, and not as nvidia-smi does.
        environment["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"
    return {**environment, **own}


def visible_gpus(gpu_number: int | None, assigned: tuple[int, ...], gpu_indices: tuple[int, ...] | None) -> str | None:
    """Return CUDA_VISIBLE_DEVICES for a trial, None to leave it as the machine, or the caller, has it.

    `gpu_number` is NNI's trialGpuNumber: unset (None) it leaves the trial alone, so it sees all that `gpuIndices`
    does not keep from it; 0 is none, N those that were assigned.
    """
    if gpu_number is None:
        return None if gpu_indices is None else ",".join(map(str, gpu_indices))
    return ",".join(map(str, assigned))
