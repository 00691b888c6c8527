"""The login shells of this machine, and how each of them can be made noisy."""

from __future__ import annotations

import shutil

from ssh_machine import SshMachine

SHELLS = [name for name in ("sh", "bash", "dash", "zsh", "csh", "tcsh", "fish") if shutil.which(name)]

#: A shell's start-up file that it reads for every command, and how to print there without a line break.
_STARTUP = {
    "bash": (".bashrc", "printf 'Welcome!\\nto this {machine} '"),
    "zsh": (".zshenv", "printf 'Welcome!\\nto this {machine} '"),
    "csh": (".cshrc", "printf 'Welcome!\\nto this {machine} '"),
    "tcsh": (".tcshrc", "printf 'Welcome!\\nto this {machine} '"),
    "fish": (".config/fish/config.fish", "printf 'Welcome!\\nto this {machine} '"),
}
NOISY_SHELLS = [name for name in SHELLS if name in _STARTUP]


def set_login_shell(machine: SshMachine, name: str, *, noisy: bool = True) -> None:
    """Give the user of a machine another login shell, which prints something before every command if it can."""
    path = shutil.which(name)
    assert path is not None
    machine.shell = (path, "-c")
    if noisy and name in _STARTUP:
        file, line = _STARTUP[name]
        startup = machine.home / file
        startup.parent.mkdir(parents=True, exist_ok=True)
        startup.write_text(f"{line}\n")
    if name == "bash":
        # It reads ~/.bashrc where it believes that sshd has started it.
        machine.environment |= {"SSH_CLIENT": "192.0.2.9 50000 22", "SHLVL": "0"}
