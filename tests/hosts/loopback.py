"""Test machines without root: SSH servers of the present user on 127.0.0.2, .3, … and high ports.

They share the system and its processes. A machine's own are known by a mark in the environment of every
session, which their children inherit, and each has its own home folder. Only keys open them: a password would
need root.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import owner
import proc
from machine import Process, Spec, TestMachine
from sshd import SSHD, generate_key, package_settings, sshd_config, wait_until_it_answers

MARK = "RAY_NNI_TEST_MACHINE"


@dataclass
class LoopbackMachine(TestMachine):
    """A machine that is an address and a home. `server` is its SSH server's process."""

    server: int = 0

    def run(self, command: str, *, root: bool = False, check: bool = True, timeout: float = 60) -> str:
        if root:
            raise RuntimeError(f"{self.name}: there is no root on a machine that was made without root")
        done = subprocess.run(
            ["bash", "-c", f"cd\n{command}"],
            env={**os.environ, "HOME": str(self.home), MARK: str(self.home)},
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        if check and done.returncode != 0:
            raise RuntimeError(f"{self.name}: {command}: exit {done.returncode}: {done.stderr}")
        return done.stdout

    def processes(self) -> list[Process]:
        return sorted(
            (
                Process(seen.pid, self.user, seen.command, seen.started)
                for seen in self._all()
                if seen.name not in proc.SSH_SERVERS
            ),
            key=lambda process: process.pid,
        )

    def _all(self) -> list[proc.Seen]:
        everything = list(proc.all_processes())
        mark = f"{MARK}={self.home}".encode()
        # A process that changes its title can wipe its environment: its parents tell where it belongs.
        roots = {seen.pid for seen in everything if mark in _environment(seen.pid)} | {self.server}
        mine = proc.descendants(roots, everything)
        return [seen for seen in everything if seen.pid in mine]

    def kill(self, pid: int, signal: int = signal.SIGKILL) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal)

    def listening(self) -> set[tuple[str, int]]:
        """The listeners on the machine's address: those on all addresses cannot be told apart."""
        found = proc.listeners(os.getpid())
        return {(host, port) for host, port in found if host == self.address and port != self.port}

    def cut(self) -> None:
        """Stop the SSH server and its sessions: to a client it looks like an unplugged cable. The rest goes on."""
        self._signal_servers(signal.SIGSTOP)

    def heal(self) -> None:
        self._signal_servers(signal.SIGCONT)

    def _signal_servers(self, number: int) -> None:
        for seen in self._all():
            if seen.name in proc.SSH_SERVERS:
                self.kill(seen.pid, number)


@contextlib.contextmanager
def loopback_machines(specs: Sequence[Spec]) -> Iterator[list[LoopbackMachine]]:
    """Make the machines, and remove them at the end with all that runs in them."""
    machines: list[LoopbackMachine] = []
    prefix = f"rnt-{os.geteuid()}-"
    for leftover in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        if owner.is_orphan(leftover):
            _clear(leftover)
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    owner.claim(folder)
    try:
        public = generate_key(folder / "id_rsa", "rsa")
        for number, _ in enumerate(specs, 1):
            machines.append(_make(folder, number, public))
        yield machines
    finally:
        _clear(folder)
        for machine in machines:
            os.waitpid(machine.server, 0)


def _clear(folder: Path) -> None:
    """Kill what lives in a session's machines, stopped or not, and remove their folder."""
    mark = f"{MARK}={folder}/".encode()
    everything = list(proc.all_processes())
    roots = {
        seen.pid
        for seen in everything
        if mark in _environment(seen.pid) or (seen.name in proc.SSH_SERVERS and str(folder) in seen.command)
    }
    for pid in proc.descendants(roots, everything):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
    shutil.rmtree(folder)


def _make(folder: Path, number: int, public: str) -> LoopbackMachine:
    root = folder / f"h{number}"
    home = root / "home"
    home.mkdir(parents=True)
    address = f"127.0.0.{number + 1}"
    machine = LoopbackMachine(
        name=f"h{number}",
        address=address,
        port=_free_port(address),
        user=getpass.getuser(),
        home=home,
        identity=folder / "id_rsa",
        password=None,
        host_key=generate_key(root / "host_key", "ed25519"),
    )
    (root / "authorized_keys").write_text(f"{public}\n")
    # The session's own command, with the machine's home for a start: SetEnv alone leaves it in the user's real one.
    wrapper = root / "session"
    wrapper.write_text(
        "#!/bin/bash\ncd\n"
        'if [ -z "$SSH_ORIGINAL_COMMAND" ]; then exec bash -l; fi\n'
        f'exec {shlex.quote(_login_shell())} -c "$SSH_ORIGINAL_COMMAND"\n'
    )
    wrapper.chmod(0o755)
    config = sshd_config(
        machine,
        root,
        {**package_settings(), "HOME": str(home), MARK: str(home)},
        ForceCommand=str(wrapper),
        Subsystem=f"sftp {_sftp_server()}",
    )
    (root / "sshd_config").write_text(config)
    log = root / "sshd.log"
    with log.open("wb") as output:
        argv = [SSHD, "-D", "-e", "-f", str(root / "sshd_config")]
        server = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    machine.server = server.pid
    wait_until_it_answers(machine, server, log)
    return machine


def _login_shell() -> str:
    return os.environ.get("SHELL", "/bin/sh")


def _sftp_server() -> str:
    places = ["/usr/lib/openssh/sftp-server", "/usr/libexec/openssh/sftp-server", "/usr/lib/ssh/sftp-server"]
    return next((place for place in places if Path(place).exists()), places[0])


def _free_port(address: str) -> int:
    with socket.socket() as listener:
        listener.bind((address, 0))
        return int(listener.getsockname()[1])


def _environment(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""
