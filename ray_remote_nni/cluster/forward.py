"""Keeps the dashboard within the client's reach: a background process with an SSH forward that comes back.

It lives as long as the cluster's state file names it, so `down` ends it, and so does whatever removes the file.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from ray_remote_nni.cluster.login import Login
from ray_remote_nni.cluster.ssh import SshTransport, connect
from ray_remote_nni.cluster.state import ForwardState, load_state
from ray_remote_nni.errors import MachineError
from ray_remote_nni.guard.processes import read_process

#: Where people look for a Ray dashboard.
PREFERRED_PORT = 8265
_LONGEST_PAUSE_S = 10.0
_CHECK_S = 1.0


def start_forward(cluster: str, login: Login, dashboard_port: int, preferred_port: int) -> ForwardState:
    """Start the background process, for the preferred port here or, where that is taken, any other."""
    with _held_port(preferred_port) as held:
        port = int(held.getsockname()[1])
        settings = {"cluster": cluster, "login": _to_json(login), "dashboard_port": dashboard_port, "port": port}
        # From now on the port is ours; Windows does not pass sockets on like this.
        passed = (held.fileno(),) if sys.platform != "win32" else ()
        process = subprocess.Popen(
            [sys.executable, "-m", "ray_remote_nni.cluster.forward", cluster],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            # Its end is not that of the terminal that we were started from; Windows says so in its own way.
            start_new_session=True,
            creationflags=getattr(subprocess, "DETACHED_PROCESS", 0)
            | getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            cwd="/",
            pass_fds=passed,
        )
    assert process.stdin is not None
    # The password travels through a pipe: neither a list of processes nor a file shows it.
    process.stdin.write(json.dumps({**settings, "held": passed}).encode())
    process.stdin.close()
    known = read_process(process.pid)
    return ForwardState(port=port, pid=process.pid, start_ticks=known.start_ticks if known else 0)


def _held_port(preferred_port: int) -> socket.socket:
    """Return a socket that holds the preferred port here or, where that is taken, any other."""
    held = _hold(preferred_port) or _hold(0)
    if held is None:
        raise MachineError("localhost", "no TCP port is free on its loopback.")
    return held


def _hold(port: int) -> socket.socket | None:
    """Return a socket that listens on a port here, so that nobody else can; None where somebody does."""
    held = socket.socket()
    if sys.platform != "win32":
        # There it would mean that the port may be somebody else's already.
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        held.bind(("127.0.0.1", port))
        held.listen()
    except OSError:
        held.close()
        return None
    return held


def _to_json(login: Login) -> dict[str, Any]:
    return {**dataclasses.asdict(login), "key_file": None if login.key_file is None else str(login.key_file)}


def _from_json(known: dict[str, Any]) -> Login:
    return Login(**{**known, "key_file": None if known["key_file"] is None else Path(known["key_file"])})


def main() -> None:
    """Read the settings from standard input; forward until the cluster is gone."""
    settings = json.load(sys.stdin)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_forward(settings))


async def _forward(settings: dict[str, Any]) -> None:
    login = _from_json(settings["login"])
    port = settings["port"]
    held = next((socket.socket(fileno=number) for number in settings["held"]), None) or _hold(port)
    keeping = asyncio.ensure_future(_keep(login, port, settings["dashboard_port"], held))
    # The state file names us only after our start.
    await asyncio.sleep(_CHECK_S)
    while _wanted(settings["cluster"]):
        await asyncio.sleep(_CHECK_S)
    keeping.cancel()


def _wanted(cluster: str) -> bool:
    state = load_state(cluster)
    if state is None:
        return False
    return state.status == "starting" or (state.forward is not None and state.forward.pid == os.getpid())


async def _keep(login: Login, local_port: int, port: int, held: socket.socket | None = None) -> None:
    """Forward for ever. While there is no connection the local port stays `held`: its address is known to people."""
    pause = 0.5
    while True:
        connection: SshTransport | None = None
        try:
            connection = await connect(login)
            if held is not None:
                held.close()
                held = None
            await connection.forward_from(local_port, port)
            pause = 0.5
            await connection.wait_closed()
        except (MachineError, OSError):
            pass  # the network is away; there is nobody here to tell, and it will come back
        finally:
            if connection is not None:
                await connection.close()
        held = held or _hold(local_port)
        await asyncio.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE_S)


if __name__ == "__main__":
    main()
