from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ray_remote_nni.trial.command import command_argv

PATH = "/usr/local/bin:/usr/bin:/bin"
BASH = [shutil.which("bash", path=PATH), "--norc", "-c"]
PYTHON = str(Path(sys.executable).resolve())


def test_plain_words_with_a_binary_program_need_no_shell(tmp_path: Path) -> None:
    assert command_argv("sleep  1", PATH, tmp_path) == [shutil.which("sleep", path=PATH), "1"]
    assert command_argv(f"{PYTHON} -u a/b.py --lr=0.1", PATH, tmp_path) == [PYTHON, "-u", "a/b.py", "--lr=0.1"]


@pytest.mark.parametrize(
    "command",
    [
        "sleep 1; sleep 2",
        "sleep $N",
        "sleep '1'",
        "sleep ~/x",
        "sleep *",
        "sleep 1 > out",
        "sleep 1 &",
        "sleep 1\n",
        "sleep 1\nsleep 2",
        " sleep 1",
        "sleep {1,2}",
        "sleep #1",
        "A=1 sleep 1",
        "echo 1",
        "test 1",
        "source env.sh",
        "exec sleep 1",
        "no-such-program-anywhere",
        "./no-such-file",
        "sleep 1 |cat",
        "=x",
        "sleep !x",
        "sleep a\\b",
        "sleep `x`",
        "",
    ],
)
def test_whatever_a_shell_may_read_in_its_own_way_is_left_to_bash(command: str, tmp_path: Path) -> None:
    assert command_argv(command, PATH, tmp_path) == [*BASH, command]


def test_a_script_is_left_to_bash_with_or_without_an_interpreter_named(tmp_path: Path) -> None:
    for number, text in enumerate(("#!/bin/sh\nexit 3\n", "exit 3\n", "#!/no/such/interpreter\n")):
        script = tmp_path / f"script{number}"
        script.write_text(text)
        script.chmod(0o755)
        assert command_argv(f"./script{number}", PATH, tmp_path) == [*BASH, f"./script{number}"]


def test_a_program_of_the_code_directory_runs_there_if_it_may(tmp_path: Path) -> None:
    shutil.copy(str(shutil.which("true", path=PATH)), tmp_path / "mine")
    argv = command_argv("./mine", PATH, tmp_path)
    assert subprocess.run(argv, cwd=tmp_path, check=False).returncode == 0
    (tmp_path / "mine").chmod(0o644)
    assert command_argv("./mine", PATH, tmp_path) == [*BASH, "./mine"]


def test_a_relative_folder_of_path_is_bashs_to_read(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    shutil.copy(str(shutil.which("true", path=PATH)), tmp_path / "bin/mine")
    argv = command_argv("mine", f"bin:{PATH}", tmp_path)
    assert argv == [*BASH, "mine"]
    assert subprocess.run(argv, cwd=tmp_path, env={"PATH": f"bin:{PATH}"}, check=False).returncode == 0


def test_without_bash_it_is_sh(tmp_path: Path) -> None:
    assert command_argv("sleep $N", str(tmp_path), tmp_path) == ["/bin/sh", "-c", "sleep $N"]
