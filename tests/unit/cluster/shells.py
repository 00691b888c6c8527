"""The login shells of this machine, and how each of them can be made noisy."""

from __future__ import annotations

import shutil

from ssh_machine import SshMachine

SHELLS = [name for name in ("sh", "bash", "dash", "zsh", "csh", "tcsh", "fish") if shutil.which(name)]

#: Some of it looks like an answer of ours, or like the beginning of one.
_GREET = """printf 'Welcome!\\n{ to the lab }\\n{"missing": []}\\nto this {machine} '"""
#: A shell's start-up file that it reads for every command, and how to print there without a line break.
_STARTUP = {
    "bash": (".bashrc", _GREET),
    "zsh": (".zshenv", _GREET),
    "csh": (".cshrc", _GREET),
    "tcsh": (".tcshrc", _GREET),
    "fish": (".config/fish/config.fish", _GREET),
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
