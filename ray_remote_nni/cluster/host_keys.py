"""SSH host keys: under which name a machine's is known, what to say where it is not, and recording a new one."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncssh

from ray_remote_nni.errors import MachineError

_TIMEOUT_S = 15


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
    given: dict[str, Any] = {} if port is None else {"port": port}
    options = asyncssh.SSHClientConnectionOptions(config=(), host=host, client_keys=None, agent_path=None, **given)
    files: tuple[Path, ...] | None = None
    if options.known_hosts is not None:
        listed = [Path(str(file)) for file in list(options.known_hosts)]  # type: ignore[arg-type]
        # Some name /dev/null to be asked nothing; what is written there cannot be checked the next time.
        named = tuple(file for file in listed if file != Path(os.devnull))
        files = named or (Path.home() / ".ssh/known_hosts", Path("/etc/ssh/ssh_known_hosts"))
    return HostIdentity(options.host_key_alias or options.host, options.port, files)


async def _offered(host: str, port: int | None) -> asyncssh.SSHKey | None:
    asking = asyncssh.get_server_host_key(host, () if port is None else port)
    return await asyncio.wait_for(asking, _TIMEOUT_S)


async def explain_host_key(host: str, port: int | None) -> MachineError:
    """Return the error of a machine whose host key is not known, or is not the one that is known."""
    try:
        offered = await _offered(host, port)
    except (OSError, asyncssh.Error, asyncio.TimeoutError):
        offered = None
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


async def record_new_host_key(host: str, port: int | None) -> None:
    """Add the machine's host key to known_hosts if none is recorded for it; a changed key is never accepted."""
    identity = host_identity(host, port)
    if not identity.files or identity.recorded():
        return
    offered = await _offered(host, port)
    if offered is None:
        return
    file = identity.files[0]
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    line = f"{identity.entry} {offered.export_public_key().decode().strip()}\n"
    with file.open("a", encoding="utf-8") as known_hosts:
        known_hosts.write(f"\n{line}" if _unfinished(file) else line)


def _unfinished(file: Path) -> bool:
    """Tell whether the last line of a file lacks its end: what is appended would become a part of it."""
    return file.is_file() and file.stat().st_size > 0 and not file.read_bytes().endswith(b"\n")
