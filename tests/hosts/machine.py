"""What a test knows of a machine, however it was made: how to log in, and what runs there."""

from __future__ import annotations

import subprocess
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Spec:
    """What is wanted of a machine. With a password, that is the only way in; else the key is.

    `interactive`: the machine asks for the password in a dialogue of its own (PAM), and takes no other.
    """

    user: str = "root"
    port: int = 22
    password: str | None = None
    interactive: bool = False


@dataclass(frozen=True)
class Process:
    """A running process, as the machine itself numbers it; `started` (clock ticks) tells a number's uses apart."""

    pid: int
    user: str
    command: str
    started: int

    def __str__(self) -> str:
        return f"{self.pid} {self.user} {self.command}"


@dataclass
class TestMachine(ABC):
    """A machine with a real SSH server, to be reached from here at `address` and `port`.

    `identity` is the private key that opens it; None on a machine with a password. `host_key` is the public
    half of the key with which it shows itself. `home` is the user's home as seen on the machine. Nothing of a
    machine outlives the context manager that made it.
    """

    __test__ = False

    name: str
    address: str
    port: int
    user: str
    home: Path
    identity: Path | None
    password: str | None
    host_key: str

    @abstractmethod
    def run(self, command: str, *, root: bool = False, check: bool = True, timeout: float = 60) -> str:
        """Run a shell command on the machine, past SSH; return its stdout. As the machine's user, or as root."""

    @abstractmethod
    def processes(self) -> list[Process]:
        """All that runs there, without zombies, the SSH server, and its sessions."""

    @abstractmethod
    def kill(self, pid: int, signal: int = 9) -> None:
        """Send a signal to the process that the machine numbers `pid`."""

    @abstractmethod
    def listening(self) -> set[tuple[str, int]]:
        """The addresses and ports on which anything but the SSH server listens for TCP."""

    @abstractmethod
    def cut(self) -> None:
        """Unplug the network cable."""

    @abstractmethod
    def heal(self) -> None:
        """Plug it in again."""

    def crash(self) -> None:
        """Kill -9 everything but the SSH server, at once as far as one can."""
        for process in self.processes():
            self.kill(process.pid)

    def pid_of(self, words: str) -> int:
        """The number of a process whose command has these words."""
        found = [process.pid for process in self.processes() if words in process.command]
        assert found, f"no {words} on {self.name}"
        return found[0]

    @property
    def known_hosts_line(self) -> str:
        """What `ssh-keyscan` would say."""
        name = self.address if self.port == 22 else f"[{self.address}]:{self.port}"
        return f"{name} {self.host_key}\n"

    def entry(self, **more: Any) -> dict[str, Any]:
        """The machine as an entry of NNI's machineList."""
        login = {"password": self.password} if self.password else {"sshKeyFile": str(self.identity)}
        return {"host": self.address, "port": self.port, "user": self.user, **login, **more}

    def ssh(self, *command: str, home: Path, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Log in with the OpenSSH client and the machine's key, and with the known hosts of `home`; run a command."""
        options = [
            "BatchMode=yes",
            "IdentitiesOnly=yes",
            "ConnectTimeout=5",
            f"UserKnownHostsFile={home}/.ssh/known_hosts",
        ]
        argv = ["ssh", "-F", "none", "-p", str(self.port), *(part for option in options for part in ("-o", option))]
        if self.identity:
            argv += ["-i", str(self.identity)]
        argv += [f"{self.user}@{self.address}", *command]
        return subprocess.run(argv, check=check, capture_output=True, text=True, timeout=60)
