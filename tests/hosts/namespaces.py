"""Test machines as root: namespaces with their own network, processes, host name, accounts, homes, /tmp and /dev/shm.

The rest of the disk is shared. What lies under /root, /home or /tmp is not, save for the folders that the
caller names: a Python that machines shall run, say. They are there too, read-only.

Learned the hard way: inside its PID namespace the SSH server has number 1, so never read a PID file from
outside; and a host name that does not resolve costs every Ray process ten seconds, so each machine has an
/etc/hosts with all of them.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import network as net
import owner
import proc
from accounts import Account, write_accounts
from machine import Process, Spec, TestMachine
from sshd import SSHD, generate_key, package_settings, sshd_config, wait_until_it_answers

# On the shared part of the disk, since a machine must see its own folder; not a tmpfs, since a runtime is large.
SESSIONS = Path("/var/tmp/ray-nni-test-machines")
#: With these the server asks for the password in a dialogue, which only PAM can lead.
_INTERACTIVE = {"UsePAM": "yes", "PasswordAuthentication": "no", "KbdInteractiveAuthentication": "yes"}
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PRIVATE = [Path("/root"), Path("/home"), Path("/tmp")]


@dataclass
class NamespaceMachine(TestMachine):
    """A machine of namespaces. `init` is its process 1, as numbered here."""

    mark: str
    number: int
    account: Account
    init: int = 0

    def run(self, command: str, *, root: bool = False, check: bool = True, timeout: float = 60) -> str:
        enter = ["nsenter", "--target", str(self.init), "--mount", "--uts", "--ipc", "--net", "--pid"]
        home = Path("/root") if root else self.home
        if not root:
            enter += ["--setuid", str(self.account.uid), "--setgid", str(self.account.gid)]
        variables = {"HOME": str(home), "USER": "root" if root else self.user, "PATH": _PATH}
        done = subprocess.run(
            [*enter, "bash", "-c", f"cd\n{command}"],
            env=variables,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        if check and done.returncode != 0:
            raise RuntimeError(f"{self.name}: {command}: exit {done.returncode}: {done.stderr}")
        return done.stdout

    def processes(self) -> list[Process]:
        names = {0: "root", self.account.uid: self.account.name}
        return sorted(
            (
                Process(seen.inner_pid, names.get(seen.uid, str(seen.uid)), seen.command, seen.started)
                for seen in self._all()
                if seen.name not in proc.SSH_SERVERS
            ),
            key=lambda process: process.pid,
        )

    def kill(self, pid: int, signal: int = signal.SIGKILL) -> None:
        for seen in self._all():
            if seen.inner_pid == pid:
                _kill(seen.pid, signal)

    def crash(self) -> None:
        while victims := [seen.pid for seen in self._all() if seen.name not in proc.SSH_SERVERS]:
            for pid in victims:
                _kill(pid)

    def _all(self) -> list[proc.Seen]:
        mine = os.readlink(f"/proc/{self.init}/ns/pid")
        return list(proc.all_processes(lambda pid: _pid_namespace(pid) == mine))

    def listening(self) -> set[tuple[str, int]]:
        return proc.listeners(self.init) - {(self.address, self.port)}

    def cut(self) -> None:
        net.plug(self.mark, self.number, "down")

    def heal(self) -> None:
        net.plug(self.mark, self.number, "up")


@contextlib.contextmanager
def namespace_machines(
    specs: Sequence[Spec], shared: Sequence[Path], only_ssh: bool
) -> Iterator[list[NamespaceMachine]]:
    """Make the machines, and remove them at the end with all that is in them."""
    umask = os.umask(0o022)
    _clear_leftovers()
    folder = SESSIONS / secrets.token_hex(2)
    folder.mkdir(mode=0o711, parents=True)
    owner.claim(folder)
    servers: list[subprocess.Popen[bytes]] = []
    try:
        yield _make(folder, specs, shared, only_ssh, servers)
    finally:
        _clear(folder)
        for server in servers:
            server.wait()
        os.umask(umask)


def _make(
    folder: Path,
    specs: Sequence[Spec],
    shared: Sequence[Path],
    only_ssh: bool,
    servers: list[subprocess.Popen[bytes]],
) -> list[NamespaceMachine]:
    Path("/run/sshd").mkdir(exist_ok=True)
    mark = folder.name
    network = net.lay(mark)
    public = generate_key(folder / "id_rsa", "rsa")
    names = [f"{network.address(number)} h{number}" for number in range(1, len(specs) + 1)]
    (folder / "hosts").write_text("\n".join(["127.0.0.1 localhost", *names]) + "\n")
    shutil.copy("/etc/resolv.conf", folder / "resolv.conf")
    machines = []
    for number, spec in enumerate(specs, 1):
        root = folder / f"h{number}"
        root.mkdir(mode=0o711)
        account = write_accounts(root, spec.user, spec.password)
        machine = NamespaceMachine(
            name=f"h{number}",
            address=network.address(number),
            port=spec.port,
            user=spec.user,
            home=account.home,
            identity=None if spec.password else folder / "id_rsa",
            password=spec.password,
            host_key=generate_key(root / "host_key", "ed25519"),
            mark=mark,
            number=number,
            account=account,
        )
        (root / "authorized_keys").write_text(f"{public}\n")
        more = _INTERACTIVE if spec.interactive else {}
        (root / "sshd_config").write_text(sshd_config(machine, root, package_settings(), **more))
        script = root / "start.sh"
        script.write_text(_start_script(machine, root, shared))
        net.connect(network, number, spec.port, only_ssh)
        # The death signal and --kill-child: when the tests are killed, the machines are.
        argv = ["setpriv", "--pdeathsig", "KILL", "ip", "netns", "exec", net.namespace(mark, number)]
        argv += [
            "unshare",
            "--mount",
            "--uts",
            "--ipc",
            "--pid",
            "--mount-proc",
            "--fork",
            "--kill-child",
            "bash",
            str(script),
        ]
        with (root / "sshd.log").open("wb") as log:
            servers.append(subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log))
        machines.append(machine)
    for machine, server in zip(machines, servers, strict=True):
        wait_until_it_answers(machine, server, folder / machine.name / "sshd.log")
        machine.init = next(seen.pid for seen in proc.all_processes() if seen.parent == server.pid)
    return machines


def _start_script(machine: NamespaceMachine, root: Path, shared: Sequence[Path]) -> str:
    """What a machine does when it starts: make its surroundings, then become the SSH server."""
    lines = ["set -eu", f"hostname {machine.name}"]
    lines += [f"mount --bind {root.parent}/{name} /etc/{name}" for name in ("hosts", "resolv.conf")]
    lines += [f"mount --bind {root}/{name} /etc/{name}" for name in ("passwd", "shadow", "group")]
    for private in PRIVATE:
        # /root lets other users through to the folders shared below it, though they cannot list it.
        copy = root / private.name
        copy.mkdir(mode=0o711)
        if private.name == "tmp":
            copy.chmod(0o1777)
    for path in _outermost(shared):
        above = next((private for private in PRIVATE if path.is_relative_to(private)), None)
        if above is not None:
            place = root / above.name / path.relative_to(above)
            place.mkdir(parents=True, mode=0o755)
            source, target = shlex.quote(str(path)), shlex.quote(str(place))
            lines += [f"mount --bind {source} {target}", f"mount -o remount,bind,ro {target}"]
    account = machine.account
    home = root / "home" / account.home.name
    if account.home.is_relative_to("/home"):
        home.mkdir(mode=0o700, exist_ok=True)
        os.chown(home, account.uid, account.gid)
    lines += [f"mount --rbind {root}/{private.name} {private}" for private in PRIVATE]
    lines += ["mount -t tmpfs -o mode=1777 tmpfs /dev/shm", f"exec {SSHD} -D -e -f {root}/sshd_config"]
    return "\n".join(lines) + "\n"


def _outermost(paths: Sequence[Path]) -> list[Path]:
    """The folders among `paths` that exist, without those that lie in another of them."""
    kept: list[Path] = []
    for path in sorted({path.absolute() for path in paths if path.is_dir()}):
        if not any(path.is_relative_to(other) for other in kept):
            kept.append(path)
    return kept


def _pid_namespace(pid: int) -> str | None:
    try:
        return os.readlink(f"/proc/{pid}/ns/pid")
    except OSError:
        return None


def _clear_leftovers() -> None:
    """Remove the machines of sessions whose process is gone; of two that start at once, one does."""
    with Path("/run/lock/ray-nni-test-machines").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for folder in SESSIONS.glob("*"):
            if owner.is_orphan(folder):
                _clear(folder)


def _clear(folder: Path) -> None:
    mark = folder.name
    deadline = time.monotonic() + 20
    for space in net.namespaces(mark):
        while (pids := net.inhabitants(space)) and time.monotonic() < deadline:
            for pid in pids:
                _kill(pid)
            time.sleep(0.02)
    net.clear(mark)
    shutil.rmtree(folder)
    with contextlib.suppress(OSError):
        SESSIONS.rmdir()


def _kill(pid: int, number: int = signal.SIGKILL) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
