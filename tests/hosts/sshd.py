"""An OpenSSH server of one's own: its configuration, its keys, and waiting until it answers."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Protocol

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin") or "/usr/sbin/sshd"


class Server(Protocol):
    """What a server is called, where it listens, and the password that opens it; None where a key does."""

    @property
    def name(self) -> str: ...
    @property
    def address(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def password(self) -> str | None: ...


def sshd_config(machine: Server, folder: Path, environment: dict[str, str], **more: str) -> str:
    """An sshd_config for `machine`, whose host key and authorized keys lie in `folder`.

    `environment` is set in every session.
    """
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
    if environment:
        settings["SetEnv"] = " ".join(f'"{name}={value}"' for name, value in environment.items())
    settings.update(more)
    return "".join(f"{name} {value}\n" for name, value in settings.items())


def package_settings() -> dict[str, str]:
    """This machine's settings for reaching package registries: a test machine needs the same to build its runtime."""
    names = ("PIP_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_")
    return {
        name: value
        for name, value in os.environ.items()
        if name.upper().startswith(names) and not set(value) & set('"\\\n')
    }


def generate_key(path: Path, kind: str) -> str:
    """Make a key pair at `path` and `path`.pub; return the public key without its comment."""
    bits = ["-b", "2048"] if kind == "rsa" else []
    subprocess.run(["ssh-keygen", "-q", "-t", kind, *bits, "-N", "", "-C", "", "-f", path], check=True)
    return path.with_name(path.name + ".pub").read_text().strip()


def wait_until_it_answers(machine: Server, server: subprocess.Popen[bytes], log: Path) -> None:
    """Return when the SSH server greets; raise with its log if it ends or takes more than 20 s."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with socket.create_connection((machine.address, machine.port), timeout=1) as connection:
                connection.settimeout(5)
                if connection.recv(4) == b"SSH-":
                    return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"{machine.name}: its SSH server does not answer:\n{log.read_text()}")


def _openssh_version() -> tuple[int, ...]:
    banner = subprocess.run(["ssh", "-V"], capture_output=True, text=True, check=True).stderr
    match = re.search(r"OpenSSH_(\d+)\.(\d+)", banner)
    return tuple(int(number) for number in match.groups()) if match else (0, 0)
