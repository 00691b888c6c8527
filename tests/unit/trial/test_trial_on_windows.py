"""What is different for a trial on Windows."""

from __future__ import annotations

from pathlib import Path

from trial_values import trial_spec

from ray_remote_nni.trial.environment import STANDIN, trial_environment
from ray_remote_nni.trial.windows import windows_argv
from ray_remote_nni.trial.workspace import Workspace

PLACE = Workspace(Path("C:/Users/alice/.ray-nni/experiments/exp12345/trials/aB3dE"))
CMD = r"C:\Windows\system32\cmd.exe"


def environment(
    inherited: dict[str, str],
    python_path: str | None = None,
    own: dict[str, str] | None = None,
    gpus: str | None = None,
) -> dict[str, str]:
    spec = trial_spec(environment=own or {})
    return trial_environment(spec, PLACE, inherited, python_path=python_path, visible_gpus=gpus, windows=True)


def test_cmd_runs_the_command_as_nni_has_it_run() -> None:
    command = 'python trial.py --name "a b" & echo done'
    assert windows_argv(command, {"COMSPEC": CMD}) == [CMD, "/d", "/s", "/c", command]
    assert windows_argv(command, {})[0] == "cmd.exe"


def test_the_folders_of_the_python_path_come_first_on_path() -> None:
    folders = environment({"Path": r"C:\Windows;C:\x"}, r"C:\conda")["PATH"].split(";")
    assert folders[0] == r"C:\conda"
    assert {r"C:\conda\Scripts", r"C:\conda\Library\bin"} < set(folders)
    assert folders[-2:] == [r"C:\Windows", r"C:\x"]


def test_without_a_python_path_the_path_is_the_machines() -> None:
    assert environment({"Path": r"C:\Windows"})["PATH"] == r"C:\Windows"


def test_a_variable_is_there_once_however_it_is_spelt() -> None:
    known = environment({"Path": "a", "Temp": "b"}, own={"path": "c", "TEMP": "d", "My_Name": "e"})
    assert known["PATH"] == "c"
    assert (known["TEMP"], known["MY_NAME"]) == ("d", "e")
    assert len({name.upper() for name in known}) == len(known)


def test_a_variable_of_the_configuration_comes_last_there_too() -> None:
    known = environment({}, own={"cuda_visible_devices": "7", "PythonPath": r"C:\mine"}, gpus="1")
    assert known["CUDA_VISIBLE_DEVICES"] == "7"
    assert known["PYTHONPATH"] == rf"C:\mine;{STANDIN}"


def test_nnis_variables_and_the_gpus_are_as_elsewhere() -> None:
    known = environment({}, gpus="0,2")
    assert known["CUDA_VISIBLE_DEVICES"] == "0,2"
    assert (known["NNI_PLATFORM"], known["NNI_SYS_DIR"]) == ("local", str(PLACE.directory))
