"""The client's part of us runs where Python lacks what is POSIX's, as on Windows."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

#: Packages of others choose by themselves what they import on which system, so they come first.
WITHOUT_POSIX = """
import os, signal, socket, sys
import asyncio, asyncssh, cryptography, packaging, pathspec, pydantic, rich.live, subprocess, tempfile, typer, yaml
for name in ("crypt", "fcntl", "grp", "pty", "pwd", "resource", "syslog", "termios", "tty"):
    sys.modules[name] = None
for module, names in (
    (os, "fork forkpty getuid geteuid getpgid killpg mkfifo pread pwrite sched_getaffinity setsid sysconf uname wait"),
    (signal, "SIGKILL SIGHUP SIGCHLD SIGUSR1 SIGALRM"),
    (socket, "AF_UNIX"),
):
    for name in names.split():
        delattr(module, name)
"""
LOADING = f"""{WITHOUT_POSIX}
import ray_remote_nni.cli.app
print(*(name for name in sys.modules if name.startswith("ray_remote_nni.")))
"""
WORKING = f"""{WITHOUT_POSIX}
from pathlib import Path
from ray_remote_nni.cluster.library import our_library
from ray_remote_nni.cluster.state import ForwardState, load_state
from ray_remote_nni.cluster.teardown import stop_forward
from ray_remote_nni.experiment.upload import read_code
from ray_remote_nni.paths import private_file, clusters_folder
folder = Path(sys.argv[1])
print(len(read_code(folder).sizes), our_library()[0], load_state("none"))
assert not ForwardState(1, 2**22, 0).alive()
with private_file(clusters_folder() / "a.json") as file:
    file.write("here")
"""


def python(code: str, *arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "HOME": str(home)}
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, env=environment)


#: Commands as they are typed, in a loop that knows no signals, as that of Windows. What makes its inner pair of sockets
#: is Python's own affair on each system; how a file is locked, `cluster/alone.py` knows for both,
#: and asyncssh has seen by now that this system has users.
COMMANDS = f"""
import asyncio, socket
from functools import partial
from os import getuid
socket.socketpair = partial(socket.socketpair, socket.AF_UNIX)
def no_signals(*_):
    raise NotImplementedError
asyncio.SelectorEventLoop.add_signal_handler = no_signals
{WITHOUT_POSIX}
from ray_remote_nni.cli import main
del sys.modules["fcntl"], sys.modules["pwd"]
os.getuid = getuid
for command in sys.argv[1:]:
    sys.argv = ["ray-nni", *command.split()]
    try:
        main()
        code = 0
    except SystemExit as done:
        code = done.code or 0
    print("exit code", code, flush=True)
"""
CONFIG = r"""
searchSpace: {x: {_type: uniform, _value: [0, 1]}}
trialCommand: "true"
trialConcurrency: 1
maxTrialNumber: 1
tuner: {name: Random}
trainingService:
  platform: remote
  machineList:
    - {host: 127.0.0.1, port: PORT, user: alice, password: secret, pythonPath: 'C:\Python312'}
"""


def test_the_client_loads_without_what_is_posix_alone(tmp_path: Path) -> None:
    done = python(LOADING, home=tmp_path)
    assert done.returncode == 0, done.stderr
    assert {"ray_remote_nni.cluster.bringup", "ray_remote_nni.experiment.submit"} <= set(done.stdout.split())


def test_the_client_reads_code_and_keeps_files_without_what_is_posix_alone(tmp_path: Path) -> None:
    code = tmp_path / "code"
    code.mkdir()
    (code / "large").write_bytes(bytes(range(256)) * 2**16)
    (code / "small").touch()
    done = python(WORKING, str(code), home=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("2 ray-nni-")
    assert (tmp_path / ".ray-nni/clusters/a.json").read_text() == "here"


def test_the_clients_commands_run_without_what_is_posix_alone(tmp_path: Path) -> None:
    config = tmp_path / "config.yml"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        config.write_text(CONFIG.replace("PORT", str(taken.getsockname()[1])))
        done = python(
            COMMANDS, "--help", "up --help", "schema", f"check {config}", f"up {config}", "status --json", home=tmp_path
        )
    assert done.returncode == 0, done.stderr
    codes = re.findall(r"^exit code (\d+)", done.stdout, flags=re.MULTILINE)
    assert codes == ["0", "0", "0", "0", "3", "0"], done.stdout + done.stderr
    assert "refuses the connection" in done.stderr


def test_a_process_of_the_clients_own_is_known_without_proc(tmp_path: Path) -> None:
    code = f"""{WITHOUT_POSIX}
import ray_remote_nni.guard.processes as processes
from pathlib import Path
processes.PROC = Path("nowhere")
own = processes.read_process(os.getpid())
print(processes.is_same_process(own.pid, own.start_ticks), processes.is_same_process(own.pid, own.start_ticks - 60))
"""
    done = python(code, home=tmp_path)
    assert done.stdout.split() == ["True", "False"], done.stderr
