"""How to log in to a machine, and what of it is left to OpenSSH's own configuration."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import asyncssh

from ray_remote_nni.errors import MachineError

CONNECT_TIMEOUT_S = 15
_KEEPALIVE_S, _KEEPALIVE_COUNT = 15, 4
_OPEN_TO_OTHERS = 0o077

#: Tried first: where the processor knows AES they carry an upload half as fast again as asyncssh's own first choice.
_FAST_CIPHERS = "^aes256-gcm@openssh.com,aes128-gcm@openssh.com"


@dataclass(frozen=True)
class Login:
    """How to log in to a machine; `None` means what OpenSSH's own configuration says."""

    host: str
    port: int | None = None
    user: str | None = None
    password: str | None = None
    key_file: Path | None = None
    passphrase: str | None = None
    accept_new_host_key: bool = False

    def __repr__(self) -> str:
        return f"Login({self.user or ''}@{self.host}:{self.port or ''})"


def openssh_options(host: str, port: int | None, user: str | None = None) -> asyncssh.SSHClientConnectionOptions:
    """Return what OpenSSH's configuration says of a machine, where host, port and user are written as given."""
    given: dict[str, Any] = {} if port is None else {"port": port}
    if user is not None:
        given["username"] = user
    return asyncssh.SSHClientConnectionOptions(config=(), host=host, client_keys=None, agent_path=None, **given)


def has_user(host: str, port: int | None) -> bool:
    """Tell whether OpenSSH's configuration names the user to log in as."""
    try:
        return openssh_options(host, port).config.get("User") is not None
    except asyncssh.ConfigParseError:
        # The login will say what is wrong with it.
        return True


def jump_hosts(login: Login) -> list[Login]:
    """Return the logins of the machines to go through, in their order: OpenSSH's ProxyJump."""
    jumps = openssh_options(login.host, login.port, login.user).tunnel
    if not isinstance(jumps, str) or jumps.lower() == "none":
        return []
    hops = []
    for jump in jumps.split(","):
        user, _, place = jump.strip().removeprefix("ssh://").rpartition("@")
        host, port = _host_and_port(place)
        hops.append(
            Login(
                host,
                port,
                user or None,
                passphrase=login.passphrase,
                accept_new_host_key=login.accept_new_host_key,
            )
        )
    # `Host *` with a ProxyJump means the jump host as well.
    return [hop for hop in hops if hop.host != login.host]


def _host_and_port(place: str) -> tuple[str, int | None]:
    if place.startswith("["):
        host, _, rest = place[1:].partition("]")
        return host, int(rest[1:]) if rest else None
    host, separator, port = place.rpartition(":")
    # With two colons it is an IPv6 address.
    return (host, int(port)) if separator and ":" not in host else (place, None)


def login_options(login: Login) -> dict[str, Any]:
    """Return asyncssh's arguments for a login. Raises MachineError, KeyImportError or OSError for a bad key."""
    options: dict[str, Any] = {
        "connect_timeout": CONNECT_TIMEOUT_S,
        "login_timeout": CONNECT_TIMEOUT_S,
        "keepalive_interval": _KEEPALIVE_S,
        "keepalive_count_max": _KEEPALIVE_COUNT,
    }
    if openssh_options(login.host, login.port, login.user).config.get("Ciphers") is None:
        options["encryption_algs"] = _FAST_CIPHERS
    if login.port is not None:
        options["port"] = login.port
    if login.user is not None:
        options["username"] = login.user
    if login.password is not None:
        return options | {
            "password": login.password,
            "preferred_auth": "password,keyboard-interactive,publickey",
            **_key_beside_password(login),
        }
    if login.passphrase is not None:
        options["passphrase"] = login.passphrase
    return options | (_configured_keys(login) if login.key_file is None else _named_key(login, login.key_file))


def _configured_keys(login: Login) -> dict[str, Any]:
    """Return the keys of OpenSSH's IdentityFile that are there, as OpenSSH does; else asyncssh takes the usual ones."""
    named: Any = openssh_options(login.host, login.port, login.user).config.get("IdentityFile")
    there = [str(file) for file in named or () if Path(str(file)).expanduser().is_file()]
    # What is encrypted may be in the agent.
    return {"client_keys": there, "ignore_encrypted": login.passphrase is None} if there else {}


def _key_beside_password(login: Login) -> dict[str, Any]:
    """Return the key for a machine that wants both: the named one, if it can be used; NNI would not look at it."""
    none = {"client_keys": None, "agent_path": None}
    if login.key_file is None:
        return none
    try:
        return _named_key(login, login.key_file)
    except (MachineError, OSError, asyncssh.KeyImportError):
        return none


def _named_key(login: Login, file: Path) -> dict[str, Any]:
    check_key_file(login.host, file)
    if login.passphrase is None and is_encrypted(file) and has_agent(login):
        return {"client_keys": [str(file)], "ignore_encrypted": True, "agent_identities": _public_half(file)}
    certificate = Path(f"{file}-cert.pub")
    return {
        "client_keys": [_read_key(file, login.passphrase, file.stat().st_mtime_ns)],
        "client_certs": [str(certificate)] if certificate.is_file() else [],
        # An agent's keys would be tried first, and after six that it does not know a server hangs up.
        "agent_path": None,
    }


@lru_cache
def _read_key(file: Path, passphrase: str | None, _changed: int) -> asyncssh.SSHKey:
    # To decrypt a key takes a good part of a second, and most machines of a list have the same.
    return asyncssh.read_private_key(file, passphrase)


def check_key_file(host: str, file: Path) -> None:
    """Raise MachineError where a private key is none, or is open to others, which OpenSSH refuses too."""
    data = file.read_bytes()
    if data.startswith(b"PuTTY-User-Key-File"):
        remedy = f"Convert it: puttygen '{file}' -O private-openssh -o NEW_FILE, and name that in `sshKeyFile`."
        raise MachineError(host, f"the key {file} is PuTTY's own kind.", remedy)
    if b"PRIVATE KEY" not in data:
        public = file.suffix == ".pub"
        remedy = f"Name '{file.with_suffix('')}' in `sshKeyFile`." if public else "Name a private key in `sshKeyFile`."
        kind = "it is the public half" if public else "it is no private key"
        raise MachineError(host, f"the key {file} cannot be read: {kind}.", remedy)
    status = file.stat()
    if os.name == "posix" and status.st_uid == os.getuid() and status.st_mode & _OPEN_TO_OTHERS:
        raise MachineError(
            host,
            f"the key {file} is open to other users of this machine (mode {status.st_mode & 0o777:04o}).",
            f"Type: chmod 600 '{file}'",
        )


def is_encrypted(file: Path) -> bool:
    """Tell whether a private key needs a passphrase."""
    try:
        asyncssh.import_private_key(file.read_bytes())
    except asyncssh.KeyImportError as error:
        return str(error).startswith("Passphrase")
    return False


def has_agent(login: Login) -> bool:
    """Tell whether an SSH agent is named for the machine."""
    named = openssh_options(login.host, login.port, login.user).config.get("IdentityAgent")
    return bool(named or os.environ.get("SSH_AUTH_SOCK"))


def _public_half(file: Path) -> list[str] | None:
    """Return where the public half of an encrypted key is; None where it is not known."""
    for candidate in (Path(f"{file}.pub"), file):
        try:
            asyncssh.read_public_key(candidate)
        except (OSError, asyncssh.KeyImportError):
            continue
        return [str(candidate)]
    return None
