"""What a cluster is asked for: the machines with their logins, as the configuration has them."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydantic import SecretStr

from ray_remote_nni.cluster.local import LocalTransport
from ray_remote_nni.cluster.login import Login
from ray_remote_nni.cluster.plan import MachineSettings
from ray_remote_nni.cluster.ssh import connect
from ray_remote_nni.cluster.state import ClusterState, Identity
from ray_remote_nni.cluster.transport import Transport
from ray_remote_nni.config import ExperimentConfig, LocalConfig, MachineConfig
from ray_remote_nni.errors import MachineError, UsageError

LOCAL_HOST = "localhost"
#: In place of a password or passphrase: ask for it at the terminal.
ASK = "ask"


@dataclass(frozen=True)
class RequestedMachine:
    """A machine and how to reach it; `login` is None for this machine itself."""

    settings: MachineSettings
    login: Login | None

    @property
    def identity(self) -> Identity:
        """Return what makes it the same machine: host, port and user."""
        if self.login is None:
            return (self.settings.host, None, None)
        return (self.login.host, self.login.port, self.login.user)

    @property
    def label(self) -> str:
        """Return what tells it from the others, for a person."""
        return self.settings.label

    async def connect(self) -> Transport:
        """Reach the machine. Raises MachineError."""
        if self.login is None:
            return LocalTransport(self.settings.host)
        try:
            return await connect(self.login, self.label)
        except MachineError as error:
            raise MachineError(self.label, error.what, error.remedy) from error


@dataclass(frozen=True)
class ClusterRequest:
    """The machines that shall be one cluster, in the configuration's order, and which of them is the head.

    `disabled` are those that the configuration names and leaves out: they may be nodes of a cluster that is up.
    """

    config: Path
    platform: str
    machines: tuple[RequestedMachine, ...]
    head_host: str | None
    #: `ray.bootstrap`: when Ray runs in a private runtime.
    bootstrap: str = "auto"
    #: `ray.tls`: whether the traffic between the machines is encrypted.
    tls: bool = False
    #: `ray.ports`: the numbers that are fixed, by name.
    ports: Mapping[str, int] = field(default_factory=dict)
    disabled: tuple[RequestedMachine, ...] = ()

    def matches(self, state: ClusterState) -> bool:
        """Tell whether a cluster consists of just these machines; it may miss some of them so far."""
        wanted = Counter(machine.identity for machine in self.machines)
        return Counter(identity for _, identity in state.members) == wanted

    def machine(self, identity: Identity) -> RequestedMachine | None:
        """Return the machine with this identity."""
        return next((one for one in (*self.machines, *self.disabled) if one.identity == identity), None)


def request_cluster(
    config: Path,
    experiment: ExperimentConfig,
    *,
    accept_new_host_keys: bool = False,
    ask: Callable[[str], str] | None = None,
) -> ClusterRequest:
    """Build the request from a configuration; `ask(prompt)` is called for each secret that says `ask`."""
    service = experiment.training_service
    shared = (experiment.ray.bootstrap, experiment.ray.tls, experiment.ray.ports.fixed)
    if isinstance(service, LocalConfig):
        if not sys.platform.startswith("linux"):
            raise UsageError(
                "platform: local runs trials on this machine, which must run Linux for that. List machines that do: "
                "platform: remote."
            )
        settings = MachineSettings(LOCAL_HOST, python_path=None, gpu_indices=service.gpu_indices)
        return ClusterRequest(config, "local", (RequestedMachine(settings, None),), None, *shared)
    hosts = Counter(machine.host for machine in service.machine_list)
    accept = accept_new_host_keys or experiment.ray.host_key_policy == "accept-new"

    def requested(enabled: bool) -> tuple[RequestedMachine, ...]:
        return tuple(
            RequestedMachine(
                MachineSettings(
                    machine.host,
                    machine.python_path,
                    machine.gpu_indices,
                    port=machine.port if hosts[machine.host] > 1 else None,
                ),
                _asked(_login(machine, accept), ask if enabled else None),
            )
            for machine in service.machine_list
            if experiment.ray.machine(machine.host, machine.port).enabled is enabled
        )

    return ClusterRequest(
        config,
        "remote",
        requested(True),
        _head_host(experiment.ray.head_node, service.machine_list),
        *shared,
        disabled=requested(False),
    )


def _head_host(name: str | None, machines: Sequence[MachineConfig]) -> str | None:
    """Return `ray.headNode` without a port that nobody needs to tell the machine from the others."""
    hosts = Counter(machine.host.lower() for machine in machines)
    for machine in machines:
        if name is not None and name.lower() == f"{machine.host}:{machine.port}".lower():
            return machine.host if hosts[machine.host.lower()] == 1 else name
    return name


def identity_of(machine: MachineConfig | LocalConfig) -> Identity:
    """Return the identity of the machine that is requested for a machine of the configuration."""
    if isinstance(machine, LocalConfig):
        return (LOCAL_HOST, None, None)
    given = machine.model_fields_set
    return (machine.host, machine.port if "port" in given else None, machine.user if "user" in given else None)


def _login(machine: MachineConfig, accept_new_host_key: bool) -> Login:
    # What is not written is left to ~/.ssh/config.
    host, port, user = identity_of(machine)
    return Login(
        host=host,
        port=port,
        user=user,
        password=_reveal(machine.password),
        key_file=machine.ssh_key_file,
        passphrase=_reveal(machine.ssh_passphrase),
        accept_new_host_key=accept_new_host_key,
    )


def _asked(login: Login, ask: Callable[[str], str] | None) -> Login:
    if ask is None:
        return login
    if login.password == ASK:
        login = replace(login, password=ask(f"Password of {login.user or 'you'}@{login.host}"))
    if login.passphrase == ASK:
        login = replace(login, passphrase=ask(f"Passphrase of {login.key_file}"))
    return login


def _reveal(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()
