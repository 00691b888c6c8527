"""What a machine must have to be a node of a cluster, and what all nodes must have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ray_remote_nni.cluster.facts import MachineFacts
from ray_remote_nni.cluster.plan import MachineSettings, fits_home
from ray_remote_nni.cluster.ports import FIRST_PORT, LAST_PORT, PORTS_PER_NODE
from ray_remote_nni.errors import MachineError

MINIMUM_RAY = (2, 60)
SUPPORTED_PYTHONS = ((3, 10), (3, 13))
#: Processes and threads of a node that is no head and runs no trials, seen with two CPUs.
NODE_PROCESSES = 70
_NEEDED_BYTES = 300 * 1024 * 1024
#: Our code and Ray's logs; with fewer Ray dies of it in other words.
_NEEDED_FILES = 1000
#: A node's folder, from the home on.
_SHORTEST_FOLDER = "/.ray-nni/clusters/abcdef/0"


def check_machines(
    machines: Sequence[MachineSettings], facts: Sequence[MachineFacts], *, ray: bool = True
) -> list[MachineError]:
    """Return everything that keeps these machines from being one cluster; without `ray` not what Ray's Python lacks."""
    errors = []
    for machine, known in zip(machines, facts, strict=True):
        problems = (_check_ray(machine, known) if ray else []) + _check_place(machine, known)
        errors += [MachineError(machine.label, what, remedy or None) for what, remedy in problems]
    if not errors:
        errors += _check_agreement(machines, facts)
    return errors


def _check_ray(machine: MachineSettings, known: MachineFacts) -> list[tuple[str, str]]:
    problems: list[tuple[str, str]] = []
    where = f"`pythonPath: {machine.python_path}`" if machine.python_path else known.python
    version = ".".join(map(str, known.python_version))
    mark = '"' if known.system == "Windows" else "'"
    install = f"{known.python} -m pip install {mark}ray[default]>=2.60{mark}"
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
    return problems


def _check_place(machine: MachineSettings, known: MachineFacts) -> list[tuple[str, str]]:
    problems: list[tuple[str, str]] = []
    if known.system not in ("Linux", "Windows"):
        problems.append((f"it runs {known.system}; nodes need Linux, or Windows where the head has Linux.", ""))
    if known.write_problem or known.root_problem:
        problems.append(_write_problem(known))
    elif known.free_bytes < _NEEDED_BYTES:
        free = known.free_bytes // 1024**2
        remedy = f"Free at least 300 MiB, or make {known.home}/.ray-nni a link to a folder on a roomier disk."
        problems.append((f"only {free} MiB are free in {known.place}.", remedy))
    elif known.free_files is not None and known.free_files < _NEEDED_FILES:
        what = f"only {known.free_files} more files fit onto the disk of {known.place} (df -i)."
        remedy = f"Remove some there, or make {known.home}/.ray-nni a link to a folder on another disk."
        problems.append((what, remedy))
    if known.lock_problem:
        what = f"files in {known.place} cannot be locked ({known.lock_problem}), as records must be."
        remedy = f"Make {known.home}/.ray-nni a link to a folder on a disk in the machine, or have that one mounted"
        problems.append((what, f"{remedy} with locks (NFS: with rpc.statd, or local_lock=all; Lustre: with flock)."))
    if known.tmp_problem and known.system == "Linux" and not fits_home(known, f"{known.home}{_SHORTEST_FOLDER}"):
        what = f"its /tmp cannot be written to ({known.tmp_problem}), and the sockets of Ray have no place in"
        why = "its path is too long, or its disk takes none"
        problems.append((f"{what} {known.home}: {why}.", "Make /tmp writable (mode 1777), or make room in it."))
    if known.guard is None and known.process_room is not None and known.process_room < NODE_PROCESSES:
        what = f"only {known.process_room} more processes and threads may be started there ({known.process_limit}), and"
        problems.append((f"{what} a node needs {NODE_PROCESSES}.", "Have that limit raised, or end what runs there."))
    if len(known.free_ports) < PORTS_PER_NODE:
        problems.append((f"no {PORTS_PER_NODE} TCP ports are free between {FIRST_PORT} and {LAST_PORT}.", ""))
    if known.guard is None:
        problems += _taken_ports(known.taken_ports)
    if missing := sorted(set(machine.gpu_indices or ()) - set(known.gpus)):
        has = f"has the GPUs {', '.join(map(str, known.gpus))}" if known.gpus else "has no GPU that nvidia-smi lists"
        wanted = ", ".join(map(str, missing))
        problems.append((f"`gpuIndices` names GPU {wanted}, and the machine {has}.", "Correct `gpuIndices`."))
    return problems


def _write_problem(known: MachineFacts) -> tuple[str, str]:
    if known.root_problem:
        remedy = "There: mv ~/.ray-nni ~/.ray-nni.old, or make it yours: sudo chown -R $USER ~/.ray-nni"
        return f"its {known.home}/.ray-nni cannot be used: {known.root_problem}.", remedy
    problem = known.write_problem
    full = "space" in problem or "quota" in problem
    remedy = "Free at least 300 MiB." if full else "Make it (and make it writable), or log in as another user."
    place = f"its home {known.home}" if known.place == known.home else known.place
    return f"{place} cannot be written to: {problem}.", remedy


def _taken_ports(taken: Mapping[int, str]) -> list[tuple[str, str]]:
    """Return what is wrong and what to do about it, where fixed ports are not free for a node that is to start."""
    problems = []
    for cluster in sorted(set(taken.values())):
        ports = ", ".join(str(port) for port, owner in taken.items() if owner == cluster)
        remedy = "Name another one in `ray.ports`."
        if cluster:
            problems.append(
                (
                    f"`ray.ports`: {ports}: your cluster {cluster} has that there.",
                    f"{remedy} Or first: ray-nni down {cluster}",
                )
            )
        else:
            problems.append((f"`ray.ports`: {ports}: in use there.", remedy))
    return problems


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
                        machine.label,
                        f"it has {what} {here} ({known.python}), and {first.label} has {there}.",
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
