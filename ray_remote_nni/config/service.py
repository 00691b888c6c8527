"""The training service: which platform it is, and the rules between its fields."""

from __future__ import annotations

from collections.abc import Callable

from ray_remote_nni.config.build import Builder
from ray_remote_nni.config.hints import field_names
from ray_remote_nni.config.located import LocatedDict, LocatedList, LocatedScalar, Node, Source, describe
from ray_remote_nni.config.models import ExperimentConfig, LocalConfig, RemoteConfig
from ray_remote_nni.config.names import FieldPath, fold, nearest, some_of
from ray_remote_nni.config.options import check_options, is_called, listed_machines
from ray_remote_nni.config.ports import check_ports
from ray_remote_nni.config.problems import Level, Problem
from ray_remote_nni.config.quantities import whole_number

#: `has_user(host, port)`: whether something else than the config knows a machine's login name.
HasUser = Callable[[str, int | None], bool]

PATH = ("trainingService",)
_PLATFORM = (*PATH, "platform")
_MACHINES = (*PATH, "machineList")

_CLOUD_PLATFORMS = (
    "openpai",
    "pai",
    "paiYarn",
    "aml",
    "dlc",
    "dlts",
    "adl",
    "kubeflow",
    "frameworkcontroller",
    "hybrid",
    "heterogeneous",
)


def build_service(builder: Builder) -> LocalConfig | RemoteConfig | None:
    """The training service of the builder's source, or None if it is bad."""
    source = builder.source
    node = source.root.given("trainingService")
    if node is None:
        if PATH in source.elsewhere:
            return None
        entry = source.root.get("trainingService")
        example = "such as trainingService: {platform: local}"
        if entry is None:
            problem = source.problem(PATH, "this field is required", f"Add it, {example}")
        else:
            message = "this field is required, and it is empty"
            problem = source.problem(PATH, message, f"Fill it, {example}", mark=entry.mark)
        builder.problems.append(problem)
        return None
    if not isinstance(node, LocatedDict):
        return builder.build(LocalConfig, node, PATH)
    platform = _platform(builder, node)
    if platform == "local":
        return builder.build(LocalConfig, _without_platform(node), PATH)
    if platform == "remote":
        return builder.build(RemoteConfig, _without_platform(node), PATH)
    return None


def _without_platform(node: LocatedDict) -> LocatedDict:
    return node.without("platform")


def _platform(builder: Builder, service: LocatedDict) -> str | None:
    source = builder.source
    node = service.given("platform")
    if node is None:
        key = source.name(_PLATFORM).rpartition(".")[2]
        example = f"{key}: {'remote' if service.get('machineList') else 'local'}"
        empty, remedy = ("", "Add") if service.get("platform") is None else (", and it is empty", "Fill it, such as")
        message = f"this field is required{empty}; accepted: local or remote"
        builder.problems.append(source.problem(_PLATFORM, message, f"{remedy} {example}"))
        return None
    platform = fold(node.text) if isinstance(node, LocatedScalar) else ""
    if platform in ("local", "remote"):
        return platform
    message = f"found {describe(node)}; accepted: local or remote"
    if platform in [fold(name) for name in _CLOUD_PLATFORMS]:
        remedy = "Write remote, with a machineList of machines that you reach over SSH, or local for this one"
    else:
        remedy = f"Write {nearest(platform, ('local', 'remote')) or 'remote'}"
    builder.problems.append(source.problem(_PLATFORM, message, remedy))
    return None


def nobody_knows(host: str, port: int | None) -> bool:
    """Tell that a machine's login name must be in the config."""
    return False


def check_service(source: Source, has_user: HasUser, unlisted: Level = "error") -> list[Problem]:
    """What is wrong between the fields of the training service and of the experiment, each by itself being good."""
    service = source.root.given("trainingService")
    if not isinstance(service, LocatedDict):
        return []
    machines = service.given("machineList")
    problems = _check_sharing(source, service, machines)
    if isinstance(machines, LocatedList):
        problems += _check_machines(source, machines) + _check_users(source, machines, has_user)
    problems += _check_head(source, machines) + check_options(source, machines, unlisted)
    return problems + check_ports(source)


def relevant(source: Source, unset: list[Problem], problems: list[Problem]) -> list[Problem]:
    """Without the unset variables of a training service that is refused as a whole: its fields are to go anyway."""
    refused = {source.name(PATH), source.name(_PLATFORM)}
    if not any(problem.level == "error" and problem.field in refused for problem in problems):
        return unset
    kept = {fold(name) for name in field_names(ExperimentConfig)} - {fold(PATH[0])}
    return [problem for problem in unset if fold(problem.field.partition(".")[0].partition("[")[0]) in kept]


def _check_sharing(source: Source, service: LocatedDict, machines: Node | None) -> list[Problem]:
    """A GPU can be shared only by trials that are given GPUs."""
    gpus = source.root.given("trialGpuNumber")
    if gpus is not None and (not isinstance(gpus, LocatedScalar) or whole_number(gpus.value) != 0):
        return []
    places: list[tuple[FieldPath, LocatedDict]] = [(PATH, service)]
    if isinstance(machines, LocatedList):
        places += [((*_MACHINES, i), item) for i, item in enumerate(machines.items) if isinstance(item, LocatedDict)]
    problems = []
    for path, place in places:
        node = place.given("maxTrialNumberPerGpu")
        if isinstance(node, LocatedScalar) and (whole_number(node.value) or 1) != 1:
            problems.append(
                source.problem(
                    (*path, "maxTrialNumberPerGpu"),
                    f"found {describe(node)}, but trials get no GPU of their own to share",
                    "Set trialGpuNumber to 1 or more, or remove this",
                )
            )
    return problems


def _check_machines(source: Source, machines: LocatedList) -> list[Problem]:
    problems = []
    first: dict[tuple[str, object], int] = {}
    for index, machine in enumerate(machines.items):
        if not isinstance(machine, LocatedDict):
            continue
        path = (*_MACHINES, index)
        key, password = machine.get("sshKeyFile"), machine.given("password")
        if key is not None and password is not None and machine.given("sshKeyFile") is not None:
            message = "the password is tried first, and this key only where that is not enough"
            remedy = "Remove one of the two, unless the machine wants both"
            problems.append(source.problem((*path, "sshKeyFile"), message, remedy, level="warning", mark=key.mark))
        host, port = machine.given("host"), machine.given("port")
        if not isinstance(host, LocatedScalar):
            continue
        address = (host.text.lower(), port.value if isinstance(port, LocatedScalar) else 22)
        if address in first:
            there, here = machines.items[first[address]].mark, host.mark
            if here == source.mark_of_value((*_MACHINES, first[address], "host")):
                here = machine.mark  # both have it from one place, by YAML's merging
            message = f"{host.text} with port {address[1]} is listed already, in line {there.line}"
            problems.append(source.problem((*path, "host"), message, "Remove one of the two", mark=here))
        first.setdefault(address, index)
    return problems


def _check_users(source: Source, machines: LocatedList, has_user: HasUser) -> list[Problem]:
    problems = []
    for index, machine in enumerate(machines.items):
        if not isinstance(machine, LocatedDict) or machine.given("user") is not None:
            continue
        host, port = machine.given("host"), machine.given("port")
        name = host.text if isinstance(host, LocatedScalar) else ""
        if "@" in name:
            continue  # which is refused already, and says where its user goes
        if name and has_user(name, whole_number(port.value) if isinstance(port, LocatedScalar) else None):
            continue
        path = (*_MACHINES, index, "user")
        field = source.name(path).rpartition(".")[2]
        remedy = f"Add it, such as {field}: alice, or a User for its host to ~/.ssh/config"
        problems.append(source.problem(path, "this field is required", remedy, mark=machine.mark))
    return problems


def _check_head(source: Source, machines: Node | None) -> list[Problem]:
    ray = source.root.given("ray")
    head = ray.given("headNode") if isinstance(ray, LocatedDict) else None
    if not isinstance(head, LocatedScalar):
        return []
    if machines is None:
        message = "it has no effect without a machineList"
        return [source.problem(("ray", "headNode"), message, "Remove it", level="warning")]
    if not isinstance(machines, LocatedList):
        return []
    listed = listed_machines(machines)
    if any(is_called(head.text, *machine) for machine in listed):
        return []
    hosts = [host for host, _ in listed]
    remedy = f"Write {nearest(head.text, hosts) or 'the host of one of its machines, as it stands there'}"
    message = f"found {describe(head)}; accepted: a host of the machineList ({some_of(hosts)}), or host:port"
    return [source.problem(("ray", "headNode"), message, remedy)]
