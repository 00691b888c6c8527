"""Moves what NNI accepts in several places to the one place where the models have it."""

from __future__ import annotations

from dataclasses import replace

from ray_remote_nni.config.located import Entry, LocatedDict, LocatedList, Source, is_null
from ray_remote_nni.config.names import FieldPath, fold
from ray_remote_nni.config.problems import Problem

# NNI takes these at the top level and in trainingService, where they win.
SHORTCUTS = ("trialCommand", "trialCodeDirectory", "trialGpuNumber", "nniManagerIp", "debug")


def normalise(source: Source) -> tuple[Source, list[Problem]]:
    """The same config with `advisor` as `tuner` and one training service that holds nothing but its own fields."""
    problems: list[Problem] = []
    for step in (_advisor, _one_service, _shortcuts):
        source = step(source, problems)
    return source, problems


def _advisor(source: Source, problems: list[Problem]) -> Source:
    advisor = source.root.get("advisor")
    if advisor is None:
        return source
    if source.root.given("advisor") is None:
        return replace(source, root=source.root.without("advisor"))
    if source.root.given("tuner") is not None:
        message = "advisor is an old name for tuner, and there is a tuner too"
        problems.append(source.problem(("advisor",), message, "Keep one", mark=advisor.mark))
        return replace(source, root=source.root.without("advisor"))
    root = source.root.without("tuner", "advisor").extended([replace(advisor, key="tuner")])
    return _renamed(replace(source, root=root), ("tuner",), advisor.key)


def _one_service(source: Source, problems: list[Problem]) -> Source:
    entry = source.root.get("trainingService")
    if entry is None or not isinstance(entry.value, LocatedList):
        return source
    services = entry.value.items
    if len(services) != 1:
        found = f"found {len(services)} training services" if services else "found an empty list"
        remedy = "Keep one; for several machines, list them in its machineList"
        problems.append(source.problem(("trainingService",), f"{found}; accepted: exactly one", remedy))
        if not services:
            return replace(source, root=source.root.without("trainingService"))
    replaced = replace(entry, value=services[0])
    root = source.root.without("trainingService").extended([replaced])
    return _renamed(replace(source, root=root), ("trainingService",), f"{entry.key}[0]")


def _shortcuts(source: Source, problems: list[Problem]) -> Source:
    service = source.root.given("trainingService")
    if not isinstance(service, LocatedDict):
        return source
    for name in SHORTCUTS:
        inner = service.get(name)
        if inner is None:
            continue
        service = service.without(name)
        source = _with_service(source, service)
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


def _with_service(source: Source, service: LocatedDict) -> Source:
    entries = tuple(
        replace(entry, value=service) if fold(entry.key) == "trainingservice" else entry
        for entry in source.root.entries
    )
    return replace(source, root=replace(source.root, entries=entries))


def _renamed(source: Source, path: FieldPath, original: str) -> Source:
    return replace(source, original_names={**source.original_names, path: original})
