"""Moves what NNI accepts in several places to the one place where the models have it."""

from __future__ import annotations

from dataclasses import replace

from ray_remote_nni.config.located import (
    Entry,
    LocatedDict,
    LocatedList,
    LocatedScalar,
    Node,
    Source,
    is_null,
    text_of,
)
from ray_remote_nni.config.names import FieldPath, some_of
from ray_remote_nni.config.problems import Problem

# NNI takes these at the top level and in trainingService, where they win.
SHORTCUTS = ("trialCommand", "trialCodeDirectory", "trialGpuNumber", "nniManagerIp", "debug")

# Names of NNI 2.0 alone.
PREPARATION = "trialPrepareCommand"
CLASS_DIRECTORY = "classDirectory"


def normalise(source: Source) -> tuple[Source, list[Problem]]:
    """The same config with `advisor` as `tuner` and one training service that holds nothing but its own fields."""
    problems: list[Problem] = []
    for step in (_advisor, _class_directory, _one_service, _shortcuts, _preparation):
        source = step(source, problems)
    return source, problems


def _advisor(source: Source, problems: list[Problem]) -> Source:
    advisor = source.root.get("advisor")
    if advisor is None:
        return source
    if source.root.given("advisor") is None:
        return replace(source, root=source.root.without("advisor"))
    if source.root.given("tuner") is not None:
        message = "it is an old name for tuner, and there is a tuner too"
        problems.append(source.problem(("advisor",), message, "Keep one", mark=advisor.mark))
        return replace(source, root=source.root.without("advisor"))
    root = source.root.without("tuner", "advisor").extended([replace(advisor, key="tuner")])
    return _renamed(replace(source, root=root), ("tuner",), advisor.key)


def _class_directory(source: Source, problems: list[Problem]) -> Source:
    """What NNI 2.0 called `classDirectory` is `codeDirectory` since."""
    for name in ("tuner", "assessor"):
        algorithm = source.root.get(name)
        if algorithm is None or not isinstance(algorithm.value, LocatedDict):
            continue
        old = algorithm.value.get(CLASS_DIRECTORY)
        if old is None:
            continue
        kept = algorithm.value.without(CLASS_DIRECTORY)
        if kept.get("codeDirectory") is None:
            kept = kept.extended([replace(old, key="codeDirectory")])
            source = _renamed(source, (name, "codeDirectory"), source.name((name, CLASS_DIRECTORY)))
        source = _with_root(source, replace(algorithm, value=kept))
    return source


def _one_service(source: Source, problems: list[Problem]) -> Source:
    entry = source.root.get("trainingService")
    if entry is None or not isinstance(entry.value, LocatedList):
        return source
    services = entry.value.items
    if not services:
        remedy = "Write one, such as trainingService: {platform: local}"
        problems.append(
            source.problem(("trainingService",), "found an empty list; accepted: a training service", remedy)
        )
        elsewhere = source.elsewhere | {("trainingService",)}
        return replace(source, root=source.root.without("trainingService"), elsewhere=elsewhere)
    platforms = [_platform(service) for service in services]
    if len(services) > 1 and set(platforms) == {"remote"}:
        return _joined(source, entry, services)
    elif len(services) > 1:
        found = f"found {len(services)} training services ({some_of(platforms)})"
        remedy = "Keep one; machines that you reach over SSH all go into one machineList"
        message = f"{found}; accepted: exactly one, or several of platform remote"
        problems.append(source.problem(("trainingService",), message, remedy))
        return _with_root(source, replace(entry, value=services[0]))
    replaced = replace(entry, value=services[0])
    root = source.root.without("trainingService").extended([replaced])
    return _renamed(replace(source, root=root), ("trainingService",), f"{entry.key}[0]")


def _platform(service: Node) -> str:
    name = text_of(service.given("platform")) if isinstance(service, LocatedDict) else None
    return (name or "no platform").lower()


def _joined(source: Source, entry: Entry, services: tuple[Node, ...]) -> Source:
    """Several lists of machines are one: the first service, with the machines of all."""
    machines: list[Node] = []
    list_entry: Entry | None = None
    for number, service in enumerate(services):
        listed = service.get("machineList") if isinstance(service, LocatedDict) else None
        if listed is None or not isinstance(listed.value, LocatedList):
            continue
        list_entry = list_entry or listed
        for index, machine in enumerate(listed.value.items):
            path = ("trainingService", "machineList", len(machines))
            source = _renamed(source, path, f"{entry.key}[{number}].{listed.key}[{index}]")
            machines.append(machine)
    first = services[0]
    if list_entry is not None and isinstance(first, LocatedDict):
        value = LocatedList(tuple(machines), list_entry.value.mark)
        first = first.without("machineList").extended([replace(list_entry, value=value)])
    return _with_root(source, replace(entry, value=first))


def _preparation(source: Source, problems: list[Problem]) -> Source:
    """The commands that NNI 1.9 (`preCommand`) and 2.0 ran before a trial on a machine start the trial's command."""
    service = source.root.get("trainingService")
    machines = service.value.get("machineList") if service and isinstance(service.value, LocatedDict) else None
    if service is None or machines is None or not isinstance(machines.value, LocatedList):
        return source
    items = machines.value.items
    commands = [item.get(PREPARATION) if isinstance(item, LocatedDict) else None for item in items]
    given = [(i, entry) for i, entry in enumerate(commands) if entry is not None]
    if not given:
        return source
    texts = {text_of(entry.value) if entry else None for entry in commands}
    first, entry = given[0]
    command = source.root.get("trialCommand")
    if len(texts) > 1 or not isinstance(entry.value, LocatedScalar):
        path = ("trainingService", "machineList", first, PREPARATION)
        message = "the machines have different commands to run before a trial, and a trial may run on each of them"
        remedy = "Give all machines the same, start the trial's command with it, or use pythonPath"
        problems.append(source.problem(path, message, remedy, mark=entry.mark))
    bare = tuple(item.without(PREPARATION) if isinstance(item, LocatedDict) else item for item in items)
    assert isinstance(service.value, LocatedDict)
    kept = service.value.without("machineList").extended([replace(machines, value=replace(machines.value, items=bare))])
    source = _with_root(source, replace(service, value=kept))
    [text, *_] = texts
    if len(texts) == 1 and text and command is not None and isinstance(command.value, LocatedScalar):
        both = f"{text.strip()} && {command.value.text}"
        value = replace(command.value, value=both, text=both, plain=False)
        source = _with_root(source, replace(command, value=value))
    return source


def _with_root(source: Source, entry: Entry) -> Source:
    """With this entry in the place of the one of its name."""
    entries = tuple(entry if old.key == entry.key else old for old in source.root.entries)
    return replace(source, root=replace(source.root, entries=entries))


def _shortcuts(source: Source, problems: list[Problem]) -> Source:
    entry = source.root.get("trainingService")
    if entry is None or not isinstance(entry.value, LocatedDict):
        return source
    service = entry.value
    for name in SHORTCUTS:
        inner = service.get(name)
        if inner is None:
            continue
        service = service.without(name)
        source = _with_root(source, replace(entry, value=service))
        if is_null(inner.value):
            continue
        outer = source.root.get(name)
        if outer is not None and source.root.given(name) is not None:
            message = f"it is not used: the one in trainingService (line {inner.mark.line}) takes precedence"
            problems.append(source.problem((name,), message, "Remove one of the two", level="warning", mark=outer.mark))
        original = source.name(("trainingService", inner.key))
        moved = Entry(name, inner.mark, inner.value)
        source = replace(source, root=source.root.without(name).extended([moved]))
        source = _renamed(source, (name,), original)
    return source


def _renamed(source: Source, path: FieldPath, original: str) -> Source:
    return replace(source, original_names={**source.original_names, path: original})
