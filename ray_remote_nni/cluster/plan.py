"""Decides everything about a cluster from its machines and their facts, as plain values, before anything is started."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ray_remote_nni.cluster.facts import MachineFacts
from ray_remote_nni.cluster.ports import PORTS_PER_NODE, NodePorts, choose_ports
from ray_remote_nni.cluster.reachability import candidate_addresses, with_port
from ray_remote_nni.cluster.resources import MACHINE_LABEL, node_resources
from ray_remote_nni.errors import ClusterError, MachineError

#: Ray's own minimum is 75 MiB; trials keep their data in files, so this is for code and messages only.
OBJECT_STORE_BYTES = 80 * 1024 * 1024
#: Ports below the range from which Linux takes those of outgoing connections.
FIRST_PORT, LAST_PORT = 20000, 31999
MINIMUM_RAY = (2, 60)
SUPPORTED_PYTHONS = ((3, 10), (3, 13))
#: Secret files in a node's folder.
TOKEN_FILE, AUTHORITY_FILE, CERTIFICATE_FILE, KEY_FILE = "token", "authority.crt", "node.crt", "node.key"
_NEEDED_BYTES = 300 * 1024 * 1024
#: Ray's longest socket, sockets/dash_MetricsHead, lies up to 68 bytes below its temp dir, and a path may have 107.
_LONGEST_TEMP_DIR = 39
_LONGEST_SOCKET = 100


@dataclass(frozen=True)
class MachineSettings:
    """A machine of the cluster, as its owner wants it; `host` as written in the configuration.

    `address` is the one at which the other machines were seen to reach it, None where nobody has tried.
    """

    host: str
    python_path: str | None = None
    gpu_indices: tuple[int, ...] | None = None
    address: str | None = None


@dataclass(frozen=True)
class NodePlan:
    """One node: where it lives, what it offers, and the `ray start` that makes it."""

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


@dataclass(frozen=True)
class ClusterPlan:
    """A whole cluster; the head is the first of `nodes`. `dashboard_port` is on the head's loopback."""

    name: str
    gcs_address: str
    dashboard_port: int
    nodes: tuple[NodePlan, ...] = field(default=())


def port_range(index: int, count: int) -> tuple[int, int]:
    """Return the first and last port that node `index` of `count` chooses from.

    Nodes may share a machine, as they do where the tests have no root: no two of a cluster choose the same port.
    """
    width = (LAST_PORT - FIRST_PORT + 1) // max(count, 1)
    first = FIRST_PORT + index * width
    return first, first + width - 1


def check_machines(machines: Sequence[MachineSettings], facts: Sequence[MachineFacts]) -> list[MachineError]:
    """Return everything that keeps these machines from being one cluster."""
    errors = []
    for machine, known in zip(machines, facts, strict=True):
        errors += _check_machine(machine, known)
    if not errors:
        errors += _check_agreement(machines, facts)
    return errors


def _check_machine(machine: MachineSettings, known: MachineFacts) -> list[MachineError]:
    problems: list[tuple[str, str]] = []
    where = f"`pythonPath: {machine.python_path}`" if machine.python_path else known.python
    version = ".".join(map(str, known.python_version))
    install = f"{known.python} -m pip install 'ray[default]>=2.60'"
    if known.system != "Linux":
        problems.append((f"it runs {known.system}; clusters of Linux machines are supported now.", ""))
    if not SUPPORTED_PYTHONS[0] <= known.python_version[:2] <= SUPPORTED_PYTHONS[1]:
        remedy = "Set `pythonPath` to the folder of a Python 3.10 to 3.13 that has ray[default]."
        problems.append((f"its Python ({where}) is {version}.", remedy))
    elif "ray" not in known.distributions:
        problems.append(
            (f"there is no Ray in its Python {version} ({where}).", f"On that machine: {install}, or set `pythonPath`.")
        )
    elif ray_version(known) < MINIMUM_RAY:
        problems.append((f"its Ray is {known.distributions['ray']}, 2.60 is needed.", f"On that machine: {install}"))
    elif not known.ray_has_dashboard:
        problems.append(("its Ray came without the dashboard.", f"On that machine: {install}"))
    if known.write_problem:
        full = "space" in known.write_problem or "quota" in known.write_problem
        remedy = "Free at least 300 MiB." if full else "Make it (and make it writable), or log in as another user."
        problems.append((f"its home {known.home} cannot be written to: {known.write_problem}.", remedy))
    elif known.free_bytes < _NEEDED_BYTES:
        free = known.free_bytes // 1024**2
        problems.append((f"only {free} MiB are free in {known.home}.", "Free at least 300 MiB."))
    if len(known.free_ports) < PORTS_PER_NODE:
        problems.append((f"no {PORTS_PER_NODE} TCP ports are free between {FIRST_PORT} and {LAST_PORT}.", ""))
    if known.taken_ports and known.guard is None:
        taken = ", ".join(map(str, known.taken_ports))
        problems.append((f"`ray.ports` names port {taken}, which is in use there.", "Name another one in `ray.ports`."))
    if missing := sorted(set(machine.gpu_indices or ()) - set(known.gpus)):
        has = f"has the GPUs {', '.join(map(str, known.gpus))}" if known.gpus else "has no GPU that nvidia-smi lists"
        wanted = ", ".join(map(str, missing))
        problems.append((f"`gpuIndices` names GPU {wanted}, and the machine {has}.", "Correct `gpuIndices`."))
    return [MachineError(machine.host, what, remedy or None) for what, remedy in problems]


def _check_agreement(machines: Sequence[MachineSettings], facts: Sequence[MachineFacts]) -> list[MachineError]:
    errors = []
    first, known_first = machines[0], facts[0]
    for machine, known in zip(machines[1:], facts[1:], strict=True):
        for what, here, there in (
            ("Python", _minor(known), _minor(known_first)),
            ("Ray", known.distributions["ray"], known_first.distributions["ray"]),
        ):
            if here != there:
                errors.append(
                    MachineError(
                        machine.host,
                        f"it has {what} {here} ({known.python}), and {first.host} has {there}.",
                        f"All machines of one cluster need the same {what}: set `pythonPath`, or install it.",
                    )
                )
    return errors


def ray_version(known: MachineFacts) -> tuple[int, int]:
    """Return major and minor version of the machine's Ray."""
    major, minor = known.distributions["ray"].split(".")[:2]
    return int(major), int(minor)


def _minor(known: MachineFacts) -> str:
    return ".".join(map(str, known.python_version[:2]))


def choose_head(machines: Sequence[MachineSettings], head_host: str | None) -> int:
    """Return the index of the head: `ray.headNode`, or the first machine. Raises ClusterError."""
    if head_host is None:
        return 0
    hosts = [machine.host for machine in machines]
    if head_host not in hosts:
        raise ClusterError(f"ray.headNode: {head_host} is not a host of the machineList ({', '.join(hosts)}).")
    return hosts.index(head_host)


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
    root = f"{known.home}/.ray-nni"
    directory = f"{root}/clusters/{name}/{index}"
    temp_dir = directory if len(directory) <= _LONGEST_TEMP_DIR else f"/tmp/ray-nni-{name}-{index}"
    guard_socket = f"{directory}/guard.sock"
    if len(guard_socket) > _LONGEST_SOCKET:
        guard_socket = f"{temp_dir}/guard.sock"
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
        ray_arguments=_ray_arguments(index, ports, address, temp_dir, gpus, gcs_address, is_head),
        environment={
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": f"{directory}/{TOKEN_FILE}",
            "RAY_USE_TLS": "1" if tls else "0",
            "RAY_TLS_CA_CERT": f"{directory}/{AUTHORITY_FILE}" if tls else None,
            "RAY_TLS_SERVER_CERT": f"{directory}/{CERTIFICATE_FILE}" if tls else None,
            "RAY_TLS_SERVER_KEY": f"{directory}/{KEY_FILE}" if tls else None,
            "RAY_USAGE_STATS_ENABLED": "0",
            # Nodes may differ in the patch version of Python.
            "RAY_DEFAULT_PYTHON_VERSION_MATCH_LEVEL": "minor",
            # No Ray client server, no metrics exporters: their ports answer without the token.
            "RAY_START_HOOK": "ray_remote_nni.cluster.remote.start_hook.without_client_server",
            "RAY_enable_metrics_collection": "0",
            "DASHBOARD_METRIC_PORT": "-1",
            # Ray's workers only start trials and wait for them; they must not queue up behind those that run.
            "RAY_worker_niceness": "0",
            # It would end trials, in their workers' stead, on a machine whose memory others fill.
            "RAY_memory_monitor_refresh_ms": "0",
            # Trials need a worker each, whatever the number of CPUs: none is started before it is needed.
            "RAY_enable_worker_prestart": "0",
            "RAY_prestart_worker_first_driver": "0",
            # A worker that waits for its next trial is not to be replaced by a new one, which costs a second.
            "RAY_idle_worker_killing_time_threshold_ms": "10000",
            "PYTHONPATH": ":".join(f"{root}/lib/{library}" for library in libraries),
            "TMPDIR": f"{directory}/tmp",
            "CUDA_VISIBLE_DEVICES": ",".join(map(str, gpus)),
            # A trial may use thirds of several GPUs, which Ray's whole ones do not allow; which GPUs, we decide.
            "RAY_predefined_unit_instance_resources": "",
            "RAY_NNI_CLUSTER": name,
            "RAY_NNI_HOST": machine.host,
            "RAY_NNI_GUARD": guard_socket,
            "RAY_NNI_GPU_INDICES": None if machine.gpu_indices is None else ",".join(map(str, machine.gpu_indices)),
            "RAY_NNI_PYTHON_PATH": _expand(machine.python_path, known.home),
        },
    )


def _ray_arguments(
    index: int,
    ports: NodePorts,
    address: str,
    temp_dir: str,
    gpus: tuple[int, ...],
    gcs_address: str,
    is_head: bool,
) -> tuple[str, ...]:
    first_worker, last_worker = ports.workers or (0, 0)
    arguments = [
        f"--node-ip-address={address}",
        f"--temp-dir={temp_dir}",
        f"--object-store-memory={OBJECT_STORE_BYTES}",
        f"--num-gpus={len(gpus)}",
        f"--resources={json.dumps(node_resources(index, gpus))}",
        f"--labels={MACHINE_LABEL}={index}",
        f"--node-manager-port={ports.node_manager}",
        f"--object-manager-port={ports.object_manager}",
        f"--dashboard-agent-listen-port={ports.agent}",
        f"--dashboard-agent-grpc-port={ports.agent_grpc}",
        f"--runtime-env-agent-port={ports.runtime_env_agent}",
        f"--metrics-export-port={ports.metrics}",
        f"--min-worker-port={first_worker}",
        f"--max-worker-port={last_worker}",
        "--disable-usage-stats",
        "--include-log-monitor=False",
    ]
    if is_head:
        return (
            "--head",
            f"--port={ports.gcs}",
            "--dashboard-host=127.0.0.1",
            f"--dashboard-port={ports.dashboard}",
            "--no-monitor",
            *arguments,
        )
    return (f"--address={gcs_address}", *arguments)


def _expand(path: str | None, home: str) -> str | None:
    if path is not None and (path == "~" or path.startswith("~/")):
        return home + path[1:]
    return path
