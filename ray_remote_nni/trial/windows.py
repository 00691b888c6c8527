"""What is different for a trial on Windows: what runs its command, and how its environment is written."""

from __future__ import annotations

from collections.abc import Mapping

from ray_remote_nni.guard.windows.path import windows_path_folders

_USUAL_PATH = r"C:\Windows\System32;C:\Windows"


def windows_argv(command: str, environment: Mapping[str, str]) -> list[str]:
    """Return the arguments that run a command in cmd, as NNI does: /s takes off the quotes around it, and no others.

    /d leaves out what somebody has every cmd do first.
    """
    return [environment.get("COMSPEC", "cmd.exe"), "/d", "/s", "/c", command]


def upper_names(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment with its names in capitals: to Windows `Path` and `PATH` are one."""
    return {name.upper(): value for name, value in environment.items()}


def windows_path(python_path: str | None, path: str | None) -> str:
    """Return PATH with a Python's folders before the machine's own, as `conda activate` puts them."""
    before = [] if python_path is None else windows_path_folders(python_path)
    return ";".join([*before, path or _USUAL_PATH])
