"""What a guard is started with, and how long those that it ends may take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: The name of the daemons' tree, whose end ends the guard.
DAEMONS = "daemons"
#: Time between SIGTERM and SIGKILL: with what it takes to notice, a tree is gone within 5 s.
GRACE_S = 4.0
#: The same for daemons, which have nothing to save.
DAEMON_GRACE_S = 0.5


@dataclass(frozen=True)
class Settings:
    """What a guard is started with.

    `daemon_argv` is a command that starts daemons and returns. Those of them whose command names are in `essential`
    end the guard when they end. `environment` is what process trees inherit (before what their owners change),
    `daemon_environment` what the daemons have in its stead. `directory` holds the guard's files. `umask` is that of
    process trees; -1 is the guard's own.
    """

    directory: Path
    socket: Path
    daemon_argv: list[str]
    daemon_environment: Mapping[str, str]
    essential: frozenset[str]
    environment: Mapping[str, str]
    umask: int = -1

    @classmethod
    def from_json(cls, asked: Mapping[str, Any], environment: Mapping[str, str]) -> Settings:
        """Return what was asked for, in this environment; of `daemon_environment` there is what `changed` takes."""
        return cls(
            directory=Path(asked["directory"]),
            socket=Path(asked["socket"]),
            daemon_argv=asked["daemon_argv"],
            daemon_environment=changed(environment, asked["daemon_environment"]),
            essential=frozenset(asked["essential"]),
            environment=environment,
            umask=asked.get("umask", -1),
        )


def changed(environment: Mapping[str, str], changes: Mapping[str, str | None]) -> dict[str, str]:
    """Return an environment with other values for some variables; what is None there is not set in it."""
    return {name: value for name, value in {**environment, **changes}.items() if value is not None}
