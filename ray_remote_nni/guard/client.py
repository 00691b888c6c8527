"""The owner's end of a process tree: what a trial's Ray worker holds while the trial runs."""

from __future__ import annotations

import json
import select
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from ray_remote_nni.guard.windows import address


class GuardLost(Exception):
    """The guard of this machine cannot be reached, or ended."""


class StartFailed(Exception):
    """The guard could not start the process."""


@dataclass(frozen=True)
class Ended:
    """How a process tree ended: `exit_code` is 128 + N after signal N, `time_s` since the epoch.

    `reason` is None where it ended by itself, else "timeout", "stopped" or "owner lost".
    """

    exit_code: int
    time_s: float
    reason: str | None


class GuardedProcess:
    """A connection to the guard; closing it, in whatever way, ends the process tree started through it."""

    def __init__(self, guard_socket: Path | str, timeout_s: float = 10.0) -> None:
        self._buffer = b""
        try:
            self._socket = _connect(guard_socket, timeout_s)
        except OSError as error:
            raise _silent(guard_socket, error) from error
        try:
            #: What processes on this machine inherit.
            self.environment: dict[str, str] = self._message()["environment"]
        except GuardLost as error:
            self._socket.close()
            raise _silent(guard_socket, error) from error

    def __enter__(self) -> GuardedProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(
        self,
        name: str,
        argv: list[str],
        *,
        cwd: Path | str,
        environment: Mapping[str, str],
        stdout: Path | str,
        stderr: Path | str,
        timeout_s: float | None = None,
        places: Mapping[str, int | None] | None = None,
    ) -> float:
        """Start a process; return the time of its start, in seconds since the epoch.

        Output is appended to the two files. After `timeout_s` the guard ends the tree. `places` says how many trees
        there may be at once where this one shall be: it starts when there is room, and is there to its whole end.
        Raises StartFailed where it cannot be started, GuardLost where there is no guard any more.
        """
        request = {
            "name": name,
            "argv": argv,
            "cwd": str(cwd),
            "environment": dict(environment),
            "stdout": str(stdout),
            "stderr": str(stderr),
            "timeout_s": timeout_s,
            "places": dict(places or {}),
        }
        if places:
            self._socket.settimeout(None)
        self._send({"start": request})
        answer = self._message()
        if "error" in answer:
            raise StartFailed(answer["error"])
        return float(answer["started"]["time"])

    def wait(self, timeout_s: float) -> Ended | None:
        """Wait for the tree's end; None where it still runs after `timeout_s`."""
        if b"\n" not in self._buffer and not select.select([self._socket], [], [], timeout_s)[0]:
            return None
        ended = self._message()["ended"]
        return Ended(ended["exit_code"], ended["time"], ended["reason"])

    def fileno(self) -> int:
        """Return what `select` waits for: it is readable when `wait` would not wait."""
        return self._socket.fileno()

    def stop(self) -> None:
        """Ask for the end of the tree: SIGTERM, a grace of 4 s, SIGKILL. `wait` tells when it is gone."""
        self._send({"stop": True})

    def close(self) -> None:
        """Let go of the tree, and so end it."""
        self._socket.close()

    def _send(self, message: Mapping[str, Any]) -> None:
        try:
            self._socket.sendall(json.dumps(message).encode() + b"\n")
        except OSError as error:
            raise GuardLost(str(error)) from error

    def _message(self) -> dict[str, Any]:
        while b"\n" not in self._buffer:
            try:
                received = self._socket.recv(65536)
            except OSError as error:
                raise GuardLost(str(error)) from error
            if not received:
                raise GuardLost("it closed the connection")
            self._buffer += received
        line, _, self._buffer = self._buffer.partition(b"\n")
        message: dict[str, Any] = json.loads(line)
        return message


def _connect(guard_socket: Path | str, timeout_s: float) -> socket.socket:
    if sys.platform == "win32":
        return address.connect(guard_socket, timeout_s)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout_s)
        connection.connect(str(guard_socket))
    except OSError:
        connection.close()
        raise
    return connection


def _silent(guard_socket: Path | str, error: Exception) -> GuardLost:
    return GuardLost(f"no guard answers at {guard_socket}: {error}")
