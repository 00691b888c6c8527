"""The shell of a trial's command: bash without its noise, conda, the Python that comes first, the environment."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from a_trial import ATrial, end_of

from ray_remote_nni.trial.spec import Started


def test_a_trial_reads_nothing_from_standard_input(trial: ATrial) -> None:
    assert end_of(trial.run('read line; test -z "$line"')).exit_code == 0


def test_a_trial_has_the_environment_of_its_machine(trial: ATrial) -> None:
    trial.run('echo "$GREETING $NNI_TRIAL_JOB_ID"')
    assert trial.workspace.stdout.read_text() == f"hello {trial.trial_id}\n"


def test_a_base_environment_takes_the_place_of_the_machines(trial: ATrial) -> None:
    trial.run('echo "$GREETING $MINE"', base_environment={"PATH": os.environ["PATH"], "MINE": "1"})
    assert trial.workspace.stdout.read_text() == " 1\n"


def test_a_trial_bears_the_mark_of_its_node_whatever_its_environment(trial: ATrial) -> None:
    trial.run('echo "$RAY_NNI_NODE"', base_environment={"PATH": os.environ["PATH"]})
    assert trial.workspace.stdout.read_text() == "/the/node\n"


def test_the_python_path_decides_what_python_a_trial_runs(trial: ATrial, tmp_path: Path) -> None:
    folder = tmp_path / "env" / "bin"
    folder.mkdir(parents=True)
    (folder / "python3").write_text("#!/bin/sh\necho mine\n")
    (folder / "python3").chmod(0o755)
    trial.machine = replace(trial.machine, python_path=str(folder))
    trial.run("python3 train.py")
    assert trial.workspace.stdout.read_text() == "mine\n"


def test_a_shells_start_up_noise_is_not_in_a_trials_output(trial: ATrial, tmp_path: Path) -> None:
    for name in (".bashrc", ".bash_profile", ".profile"):
        (tmp_path / name).write_text("echo noise\n")
    home = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "SSH_CLIENT": "192.0.2.9 50000 22", "SHLVL": "0"}
    trial.run("echo out", base_environment=home)
    assert trial.workspace.stdout.read_text() == "out\n"


def test_a_command_may_use_what_only_bash_knows(trial: ATrial) -> None:
    trial.run("words=(a b); [[ ${words[1]} == b ]] && echo ${words[@]}")
    assert trial.workspace.stdout.read_text() == "a b\n"


def test_a_setup_command_of_several_lines_sees_its_own_scripts(trial: ATrial) -> None:
    (trial.code / "env.sh").write_text("export GREETING=sourced\n")
    trial.run('source env.sh && echo "$GREETING"\necho second line')
    assert trial.workspace.stdout.read_text() == "sourced\nsecond line\n"


@pytest.fixture
def conda(tmp_path: Path) -> Path:
    """What conda's installer makes, as far as its scripts go: two environments, and no `conda` on PATH."""
    conda = tmp_path / "miniconda3"
    for folder in ("bin", "etc/profile.d", "envs/mine/bin", "envs/other/bin"):
        (conda / folder).mkdir(parents=True)
    (conda / "bin/conda").write_text("#!/bin/sh\necho 'conda: your shell is not configured' >&2; exit 1\n")
    (conda / "bin/conda").chmod(0o755)
    for name in ("conda", "mamba"):
        script = f"{name}() {{ [ $1 = activate ] && PATH={conda}/envs/$2/bin:$PATH && CONDA_DEFAULT_ENV=$2; }}\n"
        (conda / f"etc/profile.d/{name}.sh").write_text(script)
    (conda / "bin/activate").write_text(f'. {conda}/etc/profile.d/conda.sh\nconda activate "$@"\n')
    return conda


@pytest.mark.parametrize("how", ["CONDA_EXE", "PATH", "pythonPath", "HOME"])
def test_conda_activate_works_wherever_conda_is(trial: ATrial, tmp_path: Path, conda: Path, how: str) -> None:
    environment = {"PATH": os.environ["PATH"], "HOME": "/nowhere"}
    if how == "CONDA_EXE":
        environment["CONDA_EXE"] = str(conda / "bin/conda")
    elif how == "PATH":
        environment["PATH"] = f"{conda}/bin:{os.environ['PATH']}"
    elif how == "pythonPath":
        trial.machine = replace(trial.machine, python_path=str(conda / "envs/other/bin"))
    else:
        environment["HOME"] = str(tmp_path)
    ended = end_of(
        trial.run('conda activate mine && echo "$CONDA_DEFAULT_ENV ${PATH%%:*}"', base_environment=environment)
    )
    assert ended.exit_code == 0, ended.error
    assert trial.workspace.stdout.read_text() == f"mine {conda}/envs/mine/bin\n"


@pytest.mark.parametrize("how", ["mamba activate mine", "source activate mine", ". activate mine"])
def test_so_do_its_other_forms(trial: ATrial, tmp_path: Path, conda: Path, how: str) -> None:
    environment = tmp_path / "venv/bin"
    environment.mkdir(parents=True)
    (environment / "activate").write_text("echo a virtual environment\n")
    trial.machine = replace(trial.machine, python_path=str(environment))
    home = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    ended = end_of(trial.run(f'echo first\n{how} && echo "${{PATH%%:*}}"', base_environment=home))
    assert ended.exit_code == 0, ended.error
    assert trial.workspace.stdout.read_text() == f"first\n{conda}/envs/mine/bin\n"


def test_a_virtual_environment_beside_conda_is_activated_as_ever(trial: ATrial, tmp_path: Path, conda: Path) -> None:
    (trial.code / "activate").write_text("echo a virtual environment\n")
    trial.run("source ./activate", base_environment={"PATH": os.environ["PATH"], "HOME": str(tmp_path)})
    assert trial.workspace.stdout.read_text() == "a virtual environment\n"


def test_the_python_path_is_in_front_of_what_the_login_shell_put_first(trial: ATrial, tmp_path: Path) -> None:
    for name in ("login", "mine"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "python3").write_text(f"#!/bin/sh\necho {name}\n")
        (tmp_path / name / "python3").chmod(0o755)
    trial.machine = replace(trial.machine, python_path=str(tmp_path / "mine"))
    login = {"PATH": f"{tmp_path}/login:{os.environ['PATH']}"}
    trial.run("python3 train.py", base_environment=login, environment={"PATH": f"{tmp_path}/login:/usr/bin:/bin"})
    assert trial.workspace.stdout.read_text() == "mine\n"


@pytest.mark.parametrize(("number", "assigned", "seen"), [(None, (), "0,1"), (0, (), ""), (1, (1,), "1")])
def test_a_trial_sees_its_own_gpus(trial: ATrial, number: int | None, assigned: tuple[int, ...], seen: str) -> None:
    events = trial.run("echo $CUDA_VISIBLE_DEVICES", gpus=assigned, gpu_number=number)
    assert trial.workspace.stdout.read_text() == f"{seen}\n"
    assert isinstance(events[0], Started)
    assert events[0].gpu_indices == assigned
