"""Processes and TCP listeners, read from /proc."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

SSH_SERVERS = {"sshd", "sshd-session", "sshd-auth", "sftp-server"}


@dataclass(frozen=True)
class Seen:
    """A process as this side sees it: `inner_pid` is its number in its own PID namespace."""

    pid: int
    inner_pid: int
    parent: int
    uid: int
    name: str
    command: str
    started: int


def all_processes(wanted: Callable[[int], bool] = lambda pid: True) -> Iterator[Seen]:
    """Every process that can be seen from here and is wanted, without zombies."""
    for folder in Path("/proc").glob("[0-9]*"):
        if wanted(int(folder.name)) and (seen := _read(folder)) is not None:
            yield seen


def _read(folder: Path) -> Seen | None:
    try:
        status = dict(line.split(":\t", 1) for line in (folder / "status").read_text().splitlines() if ":\t" in line)
        command = (folder / "cmdline").read_bytes().decode(errors="replace")
        stat = (folder / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    if status["State"].startswith(("Z", "X")):
        return None
    return Seen(
        pid=int(folder.name),
        inner_pid=int(status.get("NSpid", folder.name).split()[-1]),
        parent=int(status["PPid"]),
        uid=int(status["Uid"].split()[0]),
        name=status["Name"],
        command=command.replace("\0", " ").strip() or f"[{status['Name']}]",
        started=int(stat[stat.rindex(")") + 2 :].split()[19]),
    )


def start_time(pid: int) -> int | None:
    """When the process started, in clock ticks since boot; None where there is none."""
    seen = _read(Path("/proc") / str(pid))
    return None if seen is None else seen.started


def listeners(pid: int) -> set[tuple[str, int]]:
    """Address and port of all TCP listeners in the network that process `pid` lives in."""
    found = set()
    for table in ("tcp", "tcp6"):
        path = Path(f"/proc/{pid}/net/{table}")
        for line in path.read_text().splitlines()[1:] if path.exists() else []:
            _, local, _, state, *_ = line.split()
            host, port = local.split(":")
            if state == "0A":
                found.add((_address(host), int(port, 16)))
    return found


def _address(text: str) -> str:
    words = (bytes.fromhex(text[at : at + 8])[::-1] for at in range(0, len(text), 8))
    return str(ipaddress.ip_address(b"".join(words)))


def descendants(roots: Collection[int], processes: Collection[Seen]) -> set[int]:
    """The numbers of `roots` and of all their children, and theirs."""
    found = set(roots)
    while True:
        more = {process.pid for process in processes if process.parent in found} - found
        if not more:
            return found
        found |= more
