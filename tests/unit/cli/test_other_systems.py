"""The client's part of us runs where Python lacks what is POSIX's, as on Windows."""

from __future__ import annotations

import os
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
print(len(read_code(folder).manifest.files()), our_library()[0], load_state("none"))
assert not ForwardState(1, 2**22, 0).alive()
with private_file(clusters_folder() / "a.json") as file:
    file.write("here")
"""


def python(code: str, *arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "HOME": str(home)}
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, env=environment)


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
