"""The exceptions that a user can see; each says what happened, where, and what to do about it."""

from __future__ import annotations


class RayNniError(Exception):
    """Anything that ends a command with a message and without a traceback.

    `exit_code` is the process's exit code, as the command-line contract lists them.
    """

    exit_code = 1


class UsageError(RayNniError):
    """The command was called in a way that makes no sense."""

    exit_code = 2


class MachineError(RayNniError):
    """A machine, or the cluster made of machines, failed."""

    exit_code = 3

    def __init__(self, machine: str, what: str, remedy: str | None = None) -> None:
        self.machine = machine
        self.what = what
        self.remedy = remedy
        super().__init__(f"{machine}: {what}" + (f" {remedy}" if remedy else ""))


class ClusterError(RayNniError):
    """The cluster as a whole could not do what was asked; its message already names the machines."""

    exit_code = 3


class NotFound(RayNniError):
    """No such experiment, trial or cluster."""

    exit_code = 4
