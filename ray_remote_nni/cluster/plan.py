"""Decides everything about a cluster from its machines and their facts, as plain values, before anything is started."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ray_remote_nni.cluster.facts import MachineFacts
from ray_remote_nni.cluster.library import library_folder
from ray_remote_nni.cluster.ports import NodePorts, choose_ports
from ray_remote_nni.cluster.ray_start import node_environment, ray_arguments
from ray_remote_nni.cluster.reachability import candidate_addresses, with_port
from ray_remote_nni.cluster.state import label_of
from ray_remote_nni.errors import UsageError

#: Ray's longest socket, sockets/dash_MetricsHead, lies up to 68 bytes below its temp dir, and a path may have 107.
_LONGEST_TEMP_DIR = 39
_LONGEST_SOCKET = 100
#: Python's multiprocessing, which the dashboard uses, has a socket /pymp-xxxxxxxx/listener-xxxxxxxx below TMPDIR.
_LONGEST_TMPDIR = 75


@dataclass(frozen=True)
class MachineSettings:
    """A machine of the cluster, as its owner wants it; `host` as written in the configuration.

    `address` is the one at which the other machines were seen to reach it, None where nobody has tried. `port` is that
    of its SSH server where others of the cluster have the same host, as machines behind forwarded ports do; else None.
    """

    host: str
    python_path: str | None = None
    gpu_indices: tuple[int, ...] | None = None
    address: str | None = None
    port: int | None = None

    @property
    def label(self) -> str:
        """Return what tells it from the others."""
        return label_of(self.host, self.port)

    def is_called(self, name: str) -> bool:
        """Tell whether `ray.headNode` may mean it: by its host, or host:port where others have the same host."""
        return name.lower() in (self.host.lower(), f"{self.host}:{self.port}".lower())


@dataclass(frozen=True)
class NodePlan:
    """One node: where it lives, what it offers, and the `ray start` that makes it.

    `python_link` is a link to be made, and where it leads: `ray_python` is `python` by way of it. None where both are
    the same.
    """

    index: int
    host: str
    address: str
    python: str
    directory: str
    temp_dir: str
    guard_socket: str
    gpus: tuple[int, ...]
    ray_arguments: tuple[str, ...]
    environment: Mapping[str, str | None]
    ray_python: str
    python_link: tuple[str, str] | None = None


@dataclass(frozen=True)
class ClusterPlan:
    """A whole cluster; the head is the first of `nodes`. `dashboard_port` is on the head's loopback."""

    name: str
    gcs_address: str
    dashboard_port: int
    nodes: tuple[NodePlan, ...] = field(default=())


def choose_head(
    machines: Sequence[MachineSettings], head_host: str | None, facts: Sequence[MachineFacts] | None = None
) -> int:
    """Return the index of the head: `ray.headNode`, or the first machine, of Linux where facts are known.

    Raises UsageError.
    """
    if head_host is None:
        places = (
            range(len(machines)) if facts is None else [i for i, known in enumerate(facts) if known.system == "Linux"]
        )
        if not places:
            raise UsageError("No machine of the machineList runs Linux, and the head of a cluster must.")
        return places[0]
    for index, machine in enumerate(machines):
        if machine.is_called(head_host):
            if facts is not None and facts[index].system != "Linux":
                system = facts[index].system
                raise UsageError(f"ray.headNode: {head_host} runs {system}, and a head needs Linux. Name another.")
            return index
    hosts = ", ".join(machine.host for machine in machines)
    raise UsageError(f"ray.headNode: {head_host} is not a host of the machineList ({hosts}).")


def node_address(machine: MachineSettings, known: MachineFacts) -> str:
    """Return the address by which the other machines reach this one, the likeliest where nobody has tried."""
    if machine.address is not None:
        return machine.address
    # Without SSH there are no others.
    return candidate_addresses(machine.host, known)[0] if known.ssh_address else "127.0.0.1"


def offered_gpus(machine: MachineSettings, known: MachineFacts) -> tuple[int, ...]:
    """Return the indices of the GPUs that trials may use: `gpuIndices`, or all that there are."""
    return known.gpus if machine.gpu_indices is None else machine.gpu_indices


def plan_cluster(
    name: str,
    machines: Sequence[MachineSettings],
    facts: Sequence[MachineFacts],
    *,
    head: int,
    library: str,
    dependencies: str | None,
    gcs_address: str | None = None,
    tls: bool = False,
    indices: Sequence[int] | None = None,
    fixed_ports: Mapping[str, int] | None = None,
) -> ClusterPlan:
    """Plan a cluster of machines that `check_machines` found nothing wrong with.

    `library` is the name of the folder under ~/.ray-nni/lib/ that holds this package on every machine,
    `dependencies` that of what the head needs besides, if anything. `gcs_address` is that of a head that runs already.
    `indices` are the machines' places in the configuration, where some of it are left out; `fixed_ports` is what
    `ray.ports` says.
    """
    places = range(len(machines)) if indices is None else indices
    ports = [choose_ports(known.free_ports, fixed_ports or {}) for known in facts]
    gcs_address = gcs_address or with_port(node_address(machines[head], facts[head]), ports[head].gcs)
    dashboard_port = ports[head].dashboard
    order = [head, *(index for index in range(len(machines)) if index != head)]
    nodes = tuple(
        _plan_node(
            name,
            places[index],
            machines[index],
            facts[index],
            ports=ports[index],
            gcs_address=gcs_address,
            is_head=index == head,
            tls=tls,
            libraries=[library, *([dependencies] if dependencies and index == head else [])],
        )
        for index in order
    )
    return ClusterPlan(name=name, gcs_address=gcs_address, dashboard_port=dashboard_port, nodes=nodes)


def _plan_node(
    name: str,
    index: int,
    machine: MachineSettings,
    known: MachineFacts,
    *,
    ports: NodePorts,
    gcs_address: str,
    is_head: bool,
    tls: bool,
    libraries: Sequence[str],
) -> NodePlan:
    directory = f"{known.home}/.ray-nni/clusters/{name}/{index}"
    windows = known.system == "Windows"
    temp_dir = directory if fits_home(known, directory) else f"/tmp/ray-nni-{name}-{index}"
    ray_python, python_link = (known.python, None) if windows else by_link(known.python, f"{temp_dir}/python")
    guard_socket = f"{directory}/guard.sock"
    if not windows and (len(guard_socket) > _LONGEST_SOCKET or not known.takes_sockets):
        guard_socket = f"{temp_dir}/guard.sock"
    tmpdir = f"{directory}/tmp"
    if not windows and (len(tmpdir) > _LONGEST_TMPDIR or not known.takes_sockets):
        tmpdir = f"{temp_dir}/tmp"
    gpus = offered_gpus(machine, known)
    address = node_address(machine, known)
    return NodePlan(
        index=index,
        host=machine.host,
        address=address,
        python=known.python,
        directory=directory,
        temp_dir=temp_dir,
        guard_socket=guard_socket,
        gpus=gpus,
        ray_arguments=ray_arguments(
            index,
            ports,
            address=address,
            # Ray opens its temporary folder to everybody, so it must lie in one that is the user's alone.
            temp_dir=temp_dir if temp_dir == directory else f"{temp_dir}/ray",
            gpus=gpus,
            gcs_address=gcs_address,
            is_head=is_head,
        ),
        environment=node_environment(
            name,
            machine.label,
            directory=directory,
            guard_socket=guard_socket,
            tmpdir=tmpdir,
            gpus=gpus,
            gpu_indices=machine.gpu_indices,
            python_path=_expand(machine.python_path, known.home),
            libraries=[library_folder(known.home, library) for library in libraries],
            tls=tls,
            windows=windows,
        ),
        ray_python=ray_python,
        python_link=python_link,
    )


def fits_home(known: MachineFacts, directory: str) -> bool:
    """Tell whether Ray's temporary files of the node in this folder can lie in it; else they lie in /tmp."""
    # Ray has no sockets with a path on Windows, and no bash.
    short = len(directory) <= _LONGEST_TEMP_DIR and _is_plain(directory) and _is_plain(known.python)
    return known.system == "Windows" or (short and known.takes_sockets)


def by_link(python: str, link: str) -> tuple[str, tuple[str, str] | None]:
    """Return a path of a Python that needs no quotes, and the link with its target that there must be for it.

    Ray has bash start its workers, and leaves the path of their Python unquoted. The link leads to a folder above it,
    since an environment knows itself by a file there.
    """
    parts = python.split("/")
    special = [place for place, part in enumerate(parts, 1) if not _is_plain(part)]
    if not special:
        return python, None
    return "/".join([link, *parts[special[-1] :]]), (link, "/".join(parts[: special[-1]]))


def _is_plain(path: str) -> bool:
    return path == "" or shlex.quote(path) == path


def _expand(path: str | None, home: str) -> str | None:
    if path is not None and (path == "~" or path.startswith(("~/", "~\\"))):
        return home + path[1:]
    return path
