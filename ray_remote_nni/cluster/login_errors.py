"""Why a login failed, in words: each cause with its own remedy."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Collection, Sequence

import asyncssh

from ray_remote_nni.cluster.host_keys import explain_host_key
from ray_remote_nni.cluster.login import CONNECT_TIMEOUT_S, Login, is_encrypted
from ray_remote_nni.errors import MachineError

_PASSWORD_METHODS = ("password", "keyboard-interactive")


async def explain(
    login: Login,
    error: Exception,
    offered: asyncssh.SSHKey | None,
    tunnel: asyncssh.SSHClientConnection | None,
    wanted: Collection[str] = (),
) -> MachineError:
    """Return the error for a person; `offered` is a host key that was not accepted, `tunnel` leads to the machine.

    `wanted` are the ways to log in, password and publickey, that it asked for last and did not get.
    """
    host = login.host
    # The error names the host itself.
    where = f"port {login.port or 22}"
    match error:
        case MachineError():
            return error
        case asyncssh.HostKeyNotVerifiable():
            return await explain_host_key(login.host, login.port, offered, tunnel)
        case asyncssh.KeyExchangeFailed() if "host key" in str(error):
            # There is none of a type that is recorded for it.
            return await explain_host_key(login.host, login.port, None, tunnel)
        case asyncssh.PermissionDenied():
            return _not_let_in(login, await _accepted_methods(login, tunnel), wanted)
        case asyncssh.DisconnectError() if "Too many authentication failures" in str(error):
            return MachineError(
                host,
                "it gave up after too many keys that it does not know.",
                "Your SSH agent or ~/.ssh has many: name the right one in `sshKeyFile`.",
            )
        case asyncssh.PasswordChangeRequired():
            return MachineError(host, "the password has expired.", f"Log in with `ssh {host}` and change it.")
        case asyncssh.KeyEncryptionError():
            return _passphrase(login, f": {error}")
        case asyncssh.KeyImportError() if "assphrase" in str(error) or "decrypt" in str(error):
            return _passphrase(login, "")
        case asyncssh.KeyImportError():
            key = login.key_file or "of ~/.ssh"
            return MachineError(host, f"the key {key} cannot be read: {error}.", "Name a private key in `sshKeyFile`.")
        case asyncssh.ConfigParseError():
            return MachineError(host, f"your ~/.ssh/config cannot be used: {error}.", f"See what `ssh -G {host}` says.")
        case socket.gaierror():
            return MachineError(host, "its name does not resolve.", "Check `host`, or write the address in its stead.")
        case TimeoutError() | asyncio.TimeoutError():  # two classes in Python 3.10
            return MachineError(
                host,
                f"no answer on {where} within {CONNECT_TIMEOUT_S} s.",
                "Is the machine on, and does a firewall let SSH through?",
            )
        case ConnectionRefusedError():
            return MachineError(
                host, f"{where} refuses the connection.", "Does the SSH server run there, on that `port`?"
            )
        case asyncssh.ConnectionLost() | ConnectionResetError():
            return MachineError(
                host,
                f"{where} hung up before the login was through.",
                "Is that `port` an SSH server's, and does it admit this machine (hosts.deny, fail2ban, MaxStartups)?",
            )
        case asyncssh.ChannelOpenError():
            return MachineError(
                host,
                f"the jump host does not get through to its {where}: {error.reason}.",
                "Does the SSH server run there, and does the jump host allow forwarding?",
            )
        case OSError() if error.filename is not None and str(error.filename) == str(login.key_file):
            return MachineError(
                host,
                f"the key {login.key_file} cannot be read: {error.strerror}.",
                "Check `sshKeyFile`, and that the file is yours.",
            )
        case OSError() if error.filename is not None:
            # Such as a known_hosts that a new host key cannot be added to.
            return MachineError(
                host,
                f"{error.filename} on this computer cannot be used: {error.strerror}.",
                "See to it that you may read it, and write to it.",
            )
        case OSError():
            # asyncio puts the address in the place of the system's words.
            why = os.strerror(error.errno) if error.errno else error
            return MachineError(host, f"{where} cannot be reached: {why}.", "Is the machine on, and is the network up?")
        case asyncssh.Error():
            return MachineError(host, f"SSH failed: {error}.", f"See what `ssh -v {host}` says.")
    return MachineError(host, f"SSH failed: {type(error).__name__}: {error}.")


def _passphrase(login: Login, why: str) -> MachineError:
    return MachineError(
        login.host,
        f"the key {login.key_file or 'of ~/.ssh'} needs another passphrase{why}.",
        "Set `sshPassphrase` (or `ask`), or add the key to your SSH agent: ssh-add.",
    )


async def _accepted_methods(login: Login, tunnel: asyncssh.SSHClientConnection | None) -> Sequence[str]:
    """Return the ways to log in that the machine offers; empty where it does not tell."""
    asking = asyncssh.get_server_auth_methods(
        login.host, login.port if login.port is not None else (), login.user or (), tunnel=tunnel or ()
    )
    try:
        return await asyncio.wait_for(asking, CONNECT_TIMEOUT_S)
    except (OSError, asyncssh.Error, asyncio.TimeoutError):
        return ()


def _not_let_in(login: Login, accepted: Sequence[str], wanted: Collection[str]) -> MachineError:
    takes_password = not accepted or any(method in accepted for method in _PASSWORD_METHODS)
    takes_key = not accepted or "publickey" in accepted
    # It asks for what it did not offer at first only once it has taken the other.
    if not takes_password and "password" in wanted:
        remedy = "Set `password` beside `sshKeyFile`." if login.password is None else "Check `password`."
        return MachineError(login.host, "it accepts the key, and wants the password of the account as well.", remedy)
    if not takes_key and "publickey" in wanted:
        remedy = "Name a key that it knows in `sshKeyFile`, beside `password`."
        return MachineError(login.host, "it accepts the password, and wants a key as well.", remedy)
    if login.password is not None:
        how = f"the password, nor the key {login.key_file}," if login.key_file else "the password"
        tried = [method for method in _PASSWORD_METHODS if method in accepted or not accepted]
        tried += ["publickey"] if login.key_file and takes_key else []
        remedy = (
            "Check `password` (or its environment variable) and `user`."
            if takes_password
            else "It takes no password alone: name a key in `sshKeyFile`, and keep `password` only if it wants both."
        )
    else:
        if login.key_file is not None and login.passphrase is None and is_encrypted(login.key_file):
            return _passphrase(login, ": your SSH agent does not have it")
        how = f"the key {login.key_file}" if login.key_file else "any key of your SSH agent and ~/.ssh"
        tried = ["publickey"] if takes_key else []
        remedy = (
            "Put the public key into the machine's ~/.ssh/authorized_keys, or name another `sshKeyFile`"
            + (", or set `password`." if takes_password and accepted else ".")
            if takes_key
            else "It takes no keys: set `password`."
        )
    methods = f"tried: {', '.join(tried) or 'nothing'}"
    if accepted:
        methods += f"; it offers: {', '.join(accepted)}"
    user = f" for user {login.user}" if login.user else ""
    return MachineError(login.host, f"the login failed: the machine does not accept {how}{user} ({methods}).", remedy)
