"""`start` on Windows: puts a guard into the background, beyond the end of the SSH session that it was started in.

Asked and told as `guard/start.py`. The SSH server ends what it started with its session, but for what leaves the
session's job. Where it lets nobody leave, as the one of Windows Server 2019 does, WMI starts the guard.
Source: PowerShell/Win32-OpenSSH issues 1032 and 1751.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ray_remote_nni.guard.settings import Settings
from ray_remote_nni.guard.start import IDENTITY_FILE, take_leave, write_identity
from ray_remote_nni.guard.windows import processes
from ray_remote_nni.guard.windows.powershell import powershell_text
from ray_remote_nni.guard.windows.server import Guard

_SETTINGS_FILE = "settings.json"
_REPORT_FILE = "report.jsonl"
_NEW_GROUP, _NO_WINDOW, _BREAKAWAY = 0x200, 0x08000000, 0x01000000
_POLL_S = 0.05


def main() -> None:
    """Read the settings, start the guard, pass on what it reports."""
    asked: dict[str, Any] = json.load(sys.stdin)
    directory = Path(asked["directory"])
    directory.mkdir(parents=True, exist_ok=True)
    for name in (_REPORT_FILE, IDENTITY_FILE, Path(asked["socket"]).name):
        (directory / name).unlink(missing_ok=True)
    # What WMI starts has neither our environment nor our standard input.
    (directory / _SETTINGS_FILE).write_text(json.dumps({**asked, "environment": dict(os.environ)}))
    # Whoever looks at a list of processes sees the folder.
    code = f"import sys; sys.path[0] = sys.argv[1]; from {__name__} import serve; serve(sys.argv[2])"
    argv = [sys.executable, "-S", "-E", "-c", code, sys.path[0], str(directory)]
    alive = _start(argv, directory)
    for line in _reported(directory / _REPORT_FILE, alive):
        print(line, flush=True)


def serve(folder: str) -> None:
    """Be the guard of the node in this folder."""
    directory = Path(folder)
    output = os.open(directory / "guard.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for target in (1, 2):
        os.dup2(output, target)
    sys.stdout = sys.stderr = os.fdopen(output, "w", buffering=1)
    asked = json.loads((directory / _SETTINGS_FILE).read_text())
    settings = Settings.from_json(asked, asked["environment"])
    started = processes.start_ticks(os.getpid())
    assert started is not None
    _report(directory, write_identity(directory, os.getpid(), started))

    async def run() -> None:
        await Guard(settings, lambda code: _report(directory, {"daemons": code})).run()

    asyncio.run(run())
    take_leave(directory)
    os._exit(0)


def _start(argv: list[str], directory: Path) -> Callable[[], bool]:
    """Start a process that is not in the session's job; return what tells whether it runs."""
    # The SSH server waits for all who hold an end of its pipes.
    for stream in (0, 1, 2):
        os.set_inheritable(stream, False)
    try:
        process = subprocess.Popen(
            argv,
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            # It has a console, which nobody sees: by that it interrupts trials.
            creationflags=_NEW_GROUP | _NO_WINDOW | _BREAKAWAY,
        )
        return lambda: process.poll() is None
    except PermissionError:
        pid = _start_by_wmi(argv, directory)
        return lambda: processes.start_ticks(pid) is not None


def _start_by_wmi(argv: list[str], directory: Path) -> int:
    """Have the system start a process for us; return its PID."""
    done = subprocess.run(
        ["powershell", "-NoProfile", "-NonInteractive", "-EncodedCommand", wmi_script(argv, str(directory))],
        stdin=subprocess.DEVNULL,
        capture_output=True,
    )
    try:
        return int(done.stdout.split()[-1])
    except (ValueError, IndexError):
        said = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
        sys.exit(f"nothing can outlive an SSH session here: {said[0] if said else 'WMI starts no process'}")


def wmi_script(argv: list[str], directory: str) -> str:
    """Return, encoded, the script of PowerShell that has WMI start a process without a window and prints its PID."""
    line, folder = powershell_text(subprocess.list2cmdline(argv)), powershell_text(directory)
    script = (
        "$ErrorActionPreference = 'Stop'; "
        "$hidden = New-CimInstance -ClassName Win32_ProcessStartup -ClientOnly -Property @{ShowWindow = [uint16]0}; "
        "$started = Invoke-CimMethod -ClassName Win32_Process -MethodName Create -Arguments @{"
        f"CommandLine = {line}; CurrentDirectory = {folder}; "
        "ProcessStartupInformation = $hidden}; "
        "if ($started.ReturnValue -ne 0) { throw ('WMI: ' + $started.ReturnValue) }; $started.ProcessId"
    )
    return base64.b64encode(script.encode("utf-16-le")).decode()


def _report(directory: Path, message: dict[str, Any]) -> None:
    with open(directory / _REPORT_FILE, "a", encoding="utf-8") as file:
        file.write(json.dumps(message) + "\n")


def _reported(file: Path, alive: Callable[[], bool]) -> Iterator[str]:
    """Yield the lines that the guard reports, until it has told of its daemons or is gone."""
    told = 0
    while True:
        # In this order: what it reported last is read.
        ended = not alive()
        lines = file.read_text(encoding="utf-8").split("\n")[:-1] if file.exists() else []
        yield from lines[told:]
        told = len(lines)
        if ended or any('"daemons"' in line for line in lines):
            return
        time.sleep(_POLL_S)
