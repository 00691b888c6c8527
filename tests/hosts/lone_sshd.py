"""An OpenSSH server of the present user on loopback, in a tenth of a second: for what only logins are needed for."""

from __future__ import annotations

import getpass
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sshd import SSHD, generate_key, sshd_config, wait_until_it_answers


@dataclass(frozen=True)
class LoneServer:
    """Where it listens, and what it says of itself; `log` tells who came in."""

    address: str
    port: int
    user: str
    host_key: str
    log: Path
    password: str | None = None
    name: str = "it"

    @property
    def known_hosts_line(self) -> str:
        return f"[{self.address}]:{self.port} {self.host_key}\n"

    def accepted(self) -> list[str]:
        """The logins that it has let in."""
        return [line for line in self.log.read_text().splitlines() if "Accepted" in line]


@contextmanager
def lone_sshd(folder: Path, public_keys: str, address: str = "127.0.0.1", **settings: str) -> Iterator[LoneServer]:
    """Serve, with these keys as the only way in, until the end; `settings` are sshd_config's."""
    folder.mkdir()
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    (folder / "authorized_keys").write_text(public_keys)
    host_key = generate_key(folder / "host_key", "ed25519")
    known = LoneServer(address, _free_port(address), getpass.getuser(), host_key, folder / "log")
    (folder / "sshd_config").write_text(sshd_config(known, folder, {}, **settings))
    with known.log.open("wb") as output:
        argv = [SSHD, "-D", "-e", "-f", str(folder / "sshd_config")]
        server = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        wait_until_it_answers(known, server, known.log)
        yield known
    finally:
        server.terminate()
        server.wait()


def _free_port(address: str) -> int:
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as listener:
        listener.bind((address, 0))
        return int(listener.getsockname()[1])
