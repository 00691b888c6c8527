"""SSH host keys: under which name a machine's is known, what to say where it is not, and recording a new one."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import asyncssh

from ray_remote_nni.cluster.login import CONNECT_TIMEOUT_S, openssh_options
from ray_remote_nni.cluster.transport import HostKeyTrust
from ray_remote_nni.errors import MachineError


@dataclass(frozen=True)
class HostIdentity:
    """Under which name a machine's host key is recorded, and where; OpenSSH's configuration has its say in both."""

    name: str
    port: int
    files: tuple[Path, ...] | None

    @property
    def entry(self) -> str:
        """Return the name as known_hosts has it."""
        return self.name if self.port == 22 else f"[{self.name}]:{self.port}"

    @property
    def known_hosts(self) -> list[str] | bytes | None:
        """Return asyncssh's argument of this name; None where OpenSSH's configuration wants no check."""
        if self.files is None:
            return None
        return [str(file) for file in self.files if file.is_file()] or b""

    def recorded(self) -> list[asyncssh.SSHKey]:
        """Return the keys that are recorded for the machine."""
        if not self.known_hosts:
            return []
        return list(asyncssh.match_known_hosts(self.known_hosts, self.name, "", self.port)[0])


def host_identity(host: str, port: int | None) -> HostIdentity:
    """Return a machine's identity; a port of None means what OpenSSH's configuration says."""
    options = openssh_options(host, port)
    files: tuple[Path, ...] | None = None
    if options.known_hosts is not None:
        listed = [Path(str(file)) for file in list(options.known_hosts)]  # type: ignore[arg-type]
        # Some name /dev/null to be asked nothing; what is written there cannot be checked the next time.
        named = tuple(file for file in listed if file != Path(os.devnull))
        files = named or (Path.home() / ".ssh/known_hosts", Path("/etc/ssh/ssh_known_hosts"))
    return HostIdentity(options.host_key_alias or options.host, options.port, files)


class NewHostKeys(asyncssh.SSHClient):
    """Decides over a host key that is not recorded: `accept` records the first of a machine, and no other.

    `offered` is the key that was decided over, `recorded` whether it was written down, `wanted` the ways to log in that
    the machine went on to ask for, and for which there was nothing, or nothing more. A question of the machine that
    it does not want to see the answer to is taken for the one for the password, in whatever language it is put.
    `admitted` tells whether the machine let us begin to log in at all.
    """

    def __init__(self, identity: HostIdentity, *, accept: bool, password: str | None) -> None:
        self.offered: asyncssh.SSHKey | None = None
        self.recorded = False
        self.admitted = False
        self.wanted: set[str] = set()
        self._identity = identity
        self._accept = accept
        self._password = password

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        """Tell whether to trust a key that is not recorded."""
        self.offered = key
        return self._accept and not self._identity.recorded()

    def begin_auth(self, username: str) -> None:
        """Record the key, now that the machine has proved that it is its own."""
        self.admitted = True
        if self.offered is not None:
            self.recorded = _record(self._identity, self.offered)

    @property
    def trust(self) -> HostKeyTrust:
        """Tell how far the key with which the machine showed itself is to be trusted."""
        if self._identity.files is None:
            return "unchecked"
        return "recorded" if self.recorded else "verified"

    def password_auth_requested(self) -> None:
        """Note it; asyncssh knows the password, and asks when that was refused, or is none."""
        self.wanted.add("password")

    def public_key_auth_requested(self) -> None:
        """Note it; asyncssh knows the keys, and asks when all were refused, or there are none."""
        self.wanted.add("publickey")

    def kbdint_auth_requested(self) -> str | None:
        """Tell that there are answers if there is a password."""
        if self._password is None:
            self.wanted.add("password")
        return "" if self._password is not None else None

    def kbdint_challenge_received(
        self, name: str, instructions: str, lang: str, prompts: Sequence[tuple[str, bool]]
    ) -> list[str] | None:
        """Answer the question for the password, once."""
        if not prompts:
            return []
        password, self._password = self._password, None
        hidden = [prompt for prompt, echo in prompts if not echo]
        return [password] if password is not None and len(hidden) == len(prompts) == 1 else None


async def explain_host_key(
    host: str, port: int | None, offered: asyncssh.SSHKey | None, tunnel: asyncssh.SSHClientConnection | None
) -> MachineError:
    """Return the error of a machine whose host key is not known, or is not the one that is known.

    It is asked for its key where none was `offered`: it has none of the kind that is recorded.
    """
    if offered is None:
        asking = asyncssh.get_server_host_key(host, () if port is None else port, tunnel=tunnel or ())
        try:
            offered = await asyncio.wait_for(asking, CONNECT_TIMEOUT_S)
        except (OSError, asyncssh.Error, asyncio.TimeoutError):
            pass
    fingerprint = offered.get_fingerprint() if offered is not None else "(not shown)"
    identity = host_identity(host, port)
    if identity.recorded():
        return MachineError(
            host,
            f"its host key {fingerprint} is not the one recorded for {identity.entry}: "
            "somebody may be listening in, or the machine was installed anew.",
            f"If you know why it changed: ssh-keygen -R '{identity.entry}', then log in with ssh once.",
        )
    option = "" if identity.port == 22 else f"-p {identity.port} "
    return MachineError(
        host,
        f"its host key {fingerprint} is not known here.",
        f"Compare it with the machine's own, then: ssh-keyscan {option}{identity.name} >> ~/.ssh/known_hosts, "
        "or pass --accept-new-host-keys.",
    )


def _record(identity: HostIdentity, key: asyncssh.SSHKey) -> bool:
    if not identity.files or identity.recorded():
        return False
    file = identity.files[0]
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    line = f"{identity.entry} {key.export_public_key().decode().strip()}\n"
    with file.open("a", encoding="utf-8") as known_hosts:
        known_hosts.write(f"\n{line}" if _unfinished(file) else line)
    return True


def _unfinished(file: Path) -> bool:
    """Tell whether the last line of a file lacks its end: what is appended would become a part of it."""
    return file.is_file() and file.stat().st_size > 0 and not file.read_bytes().endswith(b"\n")
