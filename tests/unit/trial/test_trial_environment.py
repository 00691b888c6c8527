"""The environment of a trial's process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from trial_values import trial_spec

from ray_remote_nni.trial.environment import STANDIN, trial_environment, visible_gpus
from ray_remote_nni.trial.workspace import Workspace

PLACE = Workspace(Path("/home/alice/.ray-nni/experiments/exp12345/trials/aB3dE"))


def environment(
    inherited: dict[str, str] | None = None, python_path: str | None = None, gpus: str | None = None, **spec: Any
) -> dict[str, str]:
    return trial_environment(trial_spec(**spec), PLACE, inherited or {}, python_path=python_path, visible_gpus=gpus)


def test_a_trial_knows_who_it_is() -> None:
    known = environment(sequence=7)
    assert known["NNI_EXP_ID"] == "exp12345"
    assert known["NNI_TRIAL_JOB_ID"] == "aB3dE"
    assert known["NNI_TRIAL_SEQ_ID"] == "7"


def test_a_trial_talks_through_the_files_of_its_own_folder() -> None:
    known = environment()
    assert known["NNI_PLATFORM"] == "local"
    assert known["NNI_SYS_DIR"] == known["NNI_OUTPUT_DIR"] == str(PLACE.directory)
    assert known["NNI_CODE_DIR"] == str(PLACE.code)


def test_the_real_nni_leaves_standard_output_alone() -> None:
    assert environment()["REUSE_MODE"] == "false"


def test_a_trial_has_what_its_machine_gives() -> None:
    assert environment({"LANG": "de_DE.UTF-8"})["LANG"] == "de_DE.UTF-8"


def test_the_python_path_comes_first_on_path() -> None:
    assert environment({"PATH": "/usr/bin:/bin"}, "/opt/env/bin")["PATH"] == "/opt/env/bin:/usr/bin:/bin"


def test_without_a_python_path_the_path_is_the_machines() -> None:
    assert environment({"PATH": "/usr/bin"})["PATH"] == "/usr/bin"


def test_the_stand_in_comes_last_so_that_a_real_nni_is_found_first() -> None:
    assert environment({"PYTHONPATH": "/mine"})["PYTHONPATH"] == f"/mine:{STANDIN}"
    assert environment()["PYTHONPATH"] == str(STANDIN)
    assert (STANDIN / "nni" / "__init__.py").is_file()


def test_nothing_makes_bash_believe_that_sshd_started_it() -> None:
    traces = {"SSH_CLIENT": "x", "SSH_CONNECTION": "x", "SSH_TTY": "x", "SSH2_CLIENT": "x"}
    assert not set(environment(traces)) & set(traces)


def test_the_configurations_own_variables_come_last() -> None:
    assert environment({"LANG": "C"}, environment={"LANG": "de", "NEW": "1"}) | {"LANG": "de", "NEW": "1"} == (
        environment({"LANG": "C"}, environment={"LANG": "de", "NEW": "1"})
    )


@pytest.mark.parametrize(
    ("number", "assigned", "indices", "value"),
    [
        # trialGpuNumber unset: left alone, but for gpuIndices.
        (None, (), None, None),
        (None, (), (0, 1), "0,1"),
        (None, (), (), ""),
        # 0: none, also where there are some.
        (0, (), (0, 1), ""),
        (0, (), None, ""),
        # N: those that were assigned.
        (1, (3,), (0, 3), "3"),
        (2, (1, 3), None, "1,3"),
    ],
)
def test_a_trial_sees_the_gpus_that_are_its_own(
    number: int | None, assigned: tuple[int, ...], indices: tuple[int, ...] | None, value: str | None
) -> None:
    assert visible_gpus(number, assigned, indices) == value


def test_indices_of_gpus_mean_to_cuda_what_they_mean_to_nvidia_smi() -> None:
    assert environment({"CUDA_DEVICE_ORDER": "FASTEST_FIRST"}, gpus="1")["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
    assert "CUDA_DEVICE_ORDER" not in environment()


def test_the_gpus_a_trial_sees_are_in_its_environment() -> None:
    assert environment({"CUDA_VISIBLE_DEVICES": "0,1,2"}, gpus="")["CUDA_VISIBLE_DEVICES"] == ""
    assert environment({"CUDA_VISIBLE_DEVICES": "0,1,2"})["CUDA_VISIBLE_DEVICES"] == "0,1,2"


def test_a_pythonpath_of_the_configuration_keeps_the_stand_in() -> None:
    known = environment({"PYTHONPATH": "/machine"}, environment={"PYTHONPATH": "/mine"})
    assert known["PYTHONPATH"] == f"/mine:{STANDIN}"


def test_a_path_of_the_configuration_keeps_the_python_path_first() -> None:
    assert environment({"PATH": "/bin"}, "/opt/env/bin", environment={"PATH": "/a:/b"})["PATH"] == "/opt/env/bin:/a:/b"
