"""What the client remembers of a cluster: written before anything is started, gone when all is stopped."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ray_remote_nni.cluster.certificates import Certificate
from ray_remote_nni.errors import ClusterError
from ray_remote_nni.guard.processes import is_same_process
from ray_remote_nni.paths import clusters_folder, private_file

#: Host, port and user of a machine, as the configuration has them.
Identity = tuple[str, int | None, str | None]


def label_of(host: str, port: int | None) -> str:
    """Return what a machine is called; `port` is None where its host is enough to tell it from the others."""
    return host if port is None else f"{host} port {port}"


@dataclass(frozen=True)
class Member:
    """A machine that belongs to the cluster; `index` is the number of its node."""

    host: str
    port: int | None
    user: str | None
    index: int

    @property
    def identity(self) -> Identity:
        """Return what makes it the same machine: host, port and user, as the configuration has them."""
        return self.host, self.port, self.user


@dataclass(frozen=True)
class MachineState(Member):
    """A node of the cluster and what is needed to stop it."""

    address: str
    home: str
    python: str
    directory: str
    temp_dir: str
    gpus: tuple[int, ...]
    python_path: str | None = None
    #: The key that opened it, and whether a password did: for when the configuration does not name it any more.
    key_file: str | None = None
    by_password: bool = False
    #: That of its SSH server, where others have the same host.
    shown_port: int | None = None

    @property
    def label(self) -> str:
        """Return what tells it from the others, for a person; so the records name the machine of a trial, too."""
        return label_of(self.host, self.shown_port)


@dataclass(frozen=True)
class MissingMachine(Member):
    """A machine that the cluster goes without so far, since it failed when the cluster was brought up."""


@dataclass(frozen=True)
class ForwardState:
    """The background process that keeps the dashboard within reach, and its port on the client's loopback."""

    port: int
    pid: int
    start_ticks: int

    def alive(self) -> bool:
        """Tell whether the process still runs."""
        return is_same_process(self.pid, self.start_ticks)


@dataclass(frozen=True)
class ClusterState:
    """A cluster that is up, or half up, or half down. `status` is "starting", "up" or "stopping".

    The file holds the token and the authority's key, and is readable by the user only; it holds no password.
    `machines[0]` is the head. `library` is the version of our code that runs there. `forward` is None where the head is
    this machine. `authority` signs the nodes' certificates, None where traffic is not encrypted. `ports` is what
    `ray.ports` said, `next_index` the first number that no node ever had. `partial` says that the last `up` went
    without some machines, be they missing or nodes that were out of reach then.
    """

    name: str
    config: str
    platform: str
    status: str
    created: float
    token: str
    library: str
    ray_version: str
    gcs_address: str
    dashboard_port: int
    machines: tuple[MachineState, ...]
    forward: ForwardState | None = None
    missing: tuple[MissingMachine, ...] = ()
    authority: Certificate | None = None
    ports: Mapping[str, int] = field(default_factory=dict)
    next_index: int = 0
    partial: bool = False

    @property
    def first_free_index(self) -> int:
        """Return the first number that no node ever had."""
        return max(self.next_index, *(1 + index for index, _ in self.members))

    @property
    def members(self) -> tuple[tuple[int, Identity], ...]:
        """Return the number and identity of all nodes, those that are missing too."""
        there = [(node.index, node.identity) for node in self.machines]
        return (*there, *((node.index, node.identity) for node in self.missing))

    @property
    def head(self) -> MachineState:
        """Return the head's machine."""
        return self.machines[0]

    @property
    def dashboard_url(self) -> str:
        """Return where the dashboard is, seen from the client."""
        port = self.forward.port if self.forward is not None else self.dashboard_port
        return f"http://127.0.0.1:{port}"

    def save(self) -> None:
        """Write the state file, whole or not at all."""
        with private_file(state_file(self.name)) as file:
            json.dump(dataclasses.asdict(self), file, indent=1)

    def forget(self) -> None:
        """Remove the state file."""
        state_file(self.name).unlink(missing_ok=True)


def state_file(name: str) -> Path:
    """Return the path of a cluster's state file."""
    return clusters_folder() / f"{name}.json"


def load_state(name: str) -> ClusterState | None:
    """Return a cluster's state; None where there is no such cluster."""
    try:
        return _read(state_file(name))
    except FileNotFoundError:
        return None


def all_states() -> list[ClusterState]:
    """Return the states of all clusters of this client, the latest first."""
    found = []
    for file in clusters_folder().glob("*.json"):
        # A cluster that another command is taking down may vanish meanwhile.
        with contextlib.suppress(FileNotFoundError):
            found.append(_read(file))
    return sorted(found, key=lambda state: state.created, reverse=True)


def _read(file: Path) -> ClusterState:
    try:
        return _parse(json.loads(file.read_text(encoding="utf-8")))
    except (ValueError, KeyError, TypeError) as error:
        raise ClusterError(
            f"{file} is damaged: {type(error).__name__}: {error}. Remove it; what runs of that cluster must then be "
            "stopped on its machines."
        ) from error


def _parse(known: dict[str, Any]) -> ClusterState:
    machines = tuple(MachineState(**{**machine, "gpus": tuple(machine["gpus"])}) for machine in known["machines"])
    forward = ForwardState(**known["forward"]) if known["forward"] else None
    missing = tuple(MissingMachine(**machine) for machine in known.get("missing", ()))
    authority = Certificate(**known["authority"]) if known.get("authority") else None
    parsed = {"machines": machines, "forward": forward, "missing": missing, "authority": authority}
    return ClusterState(**{**known, **parsed})
