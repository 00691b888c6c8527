"""The client's modules load where Python has no POSIX modules, as on Windows."""

from __future__ import annotations

import subprocess
import sys

#: Packages of others choose by themselves what they import on which system, so they come first.
LOADING = """
import sys
import asyncssh, cryptography, packaging, pydantic, rich.live, typer, yaml
for name in ("crypt", "fcntl", "grp", "pty", "pwd", "resource", "syslog", "termios", "tty"):
    sys.modules[name] = None
import ray_remote_nni.cli.app
print(*(name for name in sys.modules if name.startswith("ray_remote_nni.")))
"""


def test_the_client_loads_without_posix_modules() -> None:
    done = subprocess.run([sys.executable, "-c", LOADING], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert {"ray_remote_nni.cluster.bringup", "ray_remote_nni.experiment.submit"} <= set(done.stdout.split())
