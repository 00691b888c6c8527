"""What a test knows of a machine, however it was made: how to log in, and what runs there."""

from __future__ import annotations

import os
import shlex
import subprocess
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Spec:
    """What is wanted of a machine. With a password, that is the only way in; else the key is."""

    user: str = "root"
    port: int = 22
    password: str | None = None


@dataclass(frozen=True)
class Process:
    """A running process, as the machine itself numbers it. `started` tells it from a later one of the same number."""

    pid: int
    parent: int
    user: str
    command: str
    started: int = field(compare=False)

    def __str__(self) -> str:
        return f"{self.pid} {self.user} {self.command}"


@dataclass
class TestMachine(ABC):
    """A machine with a real SSH server, to be reached from here at `address` and `port`.

    `identity` is the private key that opens it; None on a machine with a password. `host_key` is the public half of the key
    with which it shows itself. `home` is the user's home as seen on the machine. Nothing of a machine outlives the context
    manager that made it.
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
        options = ["BatchMode=yes", "IdentitiesOnly=yes", "ConnectTimeout=5", f"UserKnownHostsFile={home}/.ssh/known_hosts"]
        argv = ["ssh", "-F", "none", "-p", str(self.port), *(part for option in options for part in ("-o", option))]
        if self.identity:
            argv += ["-i", str(self.identity)]
        argv += [f"{self.user}@{self.address}", *command]
        return subprocess.run(argv, check=check, capture_output=True, text=True, timeout=60)


def sshd_config(machine: TestMachine, folder: Path, **more: str) -> str:
    """An sshd_config for `machine`, whose host key and authorized keys lie in `folder`."""
    settings = {
        "Port": str(machine.port),
        "ListenAddress": machine.address,
        "HostKey": str(folder / "host_key"),
        "AuthorizedKeysFile": "none" if machine.password else str(folder / "authorized_keys"),
        "PasswordAuthentication": "yes" if machine.password else "no",
        "KbdInteractiveAuthentication": "no",
        "PermitRootLogin": "yes",
        "StrictModes": "no",
        "PidFile": "none",
        "UsePAM": "no",
        "UseDNS": "no",
        "PrintMotd": "no",
        "MaxStartups": "100",
        "MaxSessions": "100",
        "Subsystem": "sftp internal-sftp",
    }
    if _openssh_version() >= (9, 8):
        # A test that logs in with a wrong password must not lock the next one out.
        settings["PerSourcePenalties"] = "no"
    settings.update(more)
    return "".join(f"{name} {value}\n" for name, value in settings.items())


def package_settings() -> dict[str, str]:
    """This machine's settings for reaching package registries: a test machine needs the same to build its runtime."""
    names = ("PIP_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_")
    return {
        name: value
        for name, value in os.environ.items()
        if name.upper().startswith(names) and not set(value) & set("\"\\\n")
    }


def set_env(variables: dict[str, str]) -> str:
    """The value of sshd's SetEnv."""
    return " ".join(f'"{name}={value}"' for name, value in variables.items())


def generate_key(path: Path, kind: str) -> str:
    """Make a key pair at `path` and `path`.pub; return the public key without its comment."""
    bits = ["-b", "2048"] if kind == "rsa" else []
    subprocess.run(["ssh-keygen", "-q", "-t", kind, *bits, "-N", "", "-C", "", "-f", path], check=True)
    return path.with_name(path.name + ".pub").read_text().strip()


def read_process(pid: int, as_seen_there: bool = True) -> Process | None:
    """Read one process from /proc; None for a zombie and for one that is gone."""
    folder = Path("/proc") / str(pid)
    try:
        status = dict(line.split(":\t", 1) for line in (folder / "status").read_text().splitlines() if ":\t" in line)
        command = (folder / "cmdline").read_bytes()
        stat = (folder / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    if status["State"].startswith(("Z", "X")):
        return None
    arguments = command.decode(errors="replace").rstrip("\0").split("\0")
    fields = stat[stat.rindex(")") + 2 :].split()
    number = int(status["NSpid"].split()[-1]) if as_seen_there else pid
    # A process that changed its title has one string without quotes in place of its arguments.
    text = arguments[0] if len(arguments) == 1 else shlex.join(arguments)
    return Process(number, int(status["PPid"]), status["Uid"].split()[0], text or f"[{status['Name']}]", int(fields[19]))


def read_listening(pid: int | str, inode_ports: frozenset[int]) -> set[tuple[str, int]]:
    """TCP listeners in the network of process `pid`, without the ports given."""
    found = set()
    for table in ("tcp", "tcp6"):
        path = Path(f"/proc/{pid}/net/{table}")
        for line in path.read_text().splitlines()[1:] if path.exists() else []:
            fields = line.split()
            host, port = fields[1].split(":")
            if fields[3] == "0A" and int(port, 16) not in inode_ports:
                found.add((_address(host), int(port, 16)))
    return found


def _address(text: str) -> str:
    import ipaddress

    words = [bytes.fromhex(text[at : at + 8])[::-1] for at in range(0, len(text), 8)]
    return str(ipaddress.ip_address(b"".join(words)))


def _openssh_version() -> tuple[int, ...]:
    import re

    banner = subprocess.run(["ssh", "-V"], capture_output=True, text=True, check=True).stderr
    match = re.search(r"OpenSSH_(\d+)\.(\d+)", banner)
    return tuple(int(number) for number in match.groups()) if match else (0, 0)
