"""The fields that are accepted and have no effect (yet): one table, and the warnings that it gives."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import Any

from ray_remote_nni.config.located import LocatedDict, LocatedList, Node, Source, is_null, to_plain
from ray_remote_nni.config.names import FieldPath, fold
from ray_remote_nni.config.problems import Problem


@dataclass(frozen=True)
class Unused:
    """A field without effect. `*` in the path is every item of a list; `harmless` values need no warning."""

    path: tuple[str, ...]
    why: str
    harmless: tuple[Any, ...] = ()
    remedy: str | None = "Remove it to be rid of this warning"


# Not acted on yet: delete a line when its field gets its effect.
_NOT_YET = (
    Unused(("tunerGpuIndices",), "the tuner uses no GPU"),
    Unused(("logLevel",), "it does not change the amount of log output yet", ("info",)),
    Unused(("debug",), "it does not change the amount of log output yet", (False,)),
    Unused(("ray", "trialNodeNumber"), "distributed trials do not exist yet: each runs on one machine", (1,)),
)

# Of no use on Ray, now or later.
_POINTLESS = (
    Unused(("nniManagerIp",), "it has no effect here: machines never connect back to this one"),
    Unused(("sharedStorage",), "it has no effect here: code and results travel over SSH"),
    Unused(("trainingService", "reuseMode"), "it has no effect here: a trial's start costs little anyway"),
)


def unused_warnings(source: Source) -> list[Problem]:
    """A warning for each field of the tables that this config uses; one for all items of a list."""
    return [warning for unused in (*_NOT_YET, *_POINTLESS) if (warning := _warning(source, unused)) is not None]


def without_unused(source: Source) -> LocatedDict:
    """Return what a config holds but for NNI's fields that these warnings are about; ours are kept."""
    dropped = {
        path
        for unused in (*_NOT_YET, *_POINTLESS)
        if unused.path[0] != "ray"
        for path, node in _matches(source.root, unused.path, ())
        if not _is_harmless(node, unused)
    }
    return _without(source.root, dropped, ())


def _without(block: LocatedDict, dropped: Collection[FieldPath], path: FieldPath) -> LocatedDict:
    entries = []
    for entry in block.entries:
        below = (*path, entry.key)
        if below in dropped:
            continue
        inner = _without(entry.value, dropped, below) if isinstance(entry.value, LocatedDict) else entry.value
        entries.append(replace(entry, value=inner))
    return replace(block, entries=tuple(entries))


def _warning(source: Source, unused: Unused) -> Problem | None:
    places = [path for path, node in _matches(source.root, unused.path, ()) if not _is_harmless(node, unused)]
    if not places:
        return None
    more = f" (and {len(places) - 1} more of them)" if len(places) > 1 else ""
    mark = source.mark_of_key(places[0])
    return source.problem(places[0], unused.why + more, unused.remedy, level="warning", mark=mark)


def _is_harmless(node: Node, unused: Unused) -> bool:
    value = to_plain(node)
    if isinstance(value, str):
        return any(isinstance(known, str) and fold(value) == fold(known) for known in unused.harmless)
    return value in unused.harmless


def _matches(node: Node, pattern: tuple[str, ...], path: FieldPath) -> Iterator[tuple[FieldPath, Node]]:
    if is_null(node):
        return
    if not pattern:
        yield path, node
    elif pattern[0] == "*" and isinstance(node, LocatedList):
        for index, item in enumerate(node.items):
            yield from _matches(item, pattern[1:], (*path, index))
    elif isinstance(node, LocatedDict) and (entry := node.get(pattern[0])) is not None:
        yield from _matches(entry.value, pattern[1:], (*path, pattern[0]))
