"""Which tree an orphan belongs to: a process that lost its parent becomes the guard's child, and has an owner still."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ray_remote_nni.guard.processes import Process, descendants

#: In the environment of every process of a tree: which one. A child that wipes its environment is still found by its
#: session, its parents, or by the trees that ran when it was orphaned.
TREE_MARK = "RAY_NNI_TREE"


@dataclass
class Tree:
    """A process tree that the guard answers for; `root` is the first process and leads its own session."""

    name: str
    root: int
    #: Whether unmarked orphans may be this tree's. The machine's own daemons never hide.
    may_hide: bool = True
    #: Orphans whose tree is not known for sure, that may be of this one.
    suspects: set[int] = field(default_factory=set)


@dataclass
class Orphanage:
    """Attributes the guard's adopted children to the trees it runs.

    `environment` reads the environment of a PID. An orphan that shows neither mark nor session is laid at the door of
    all trees that run at that time, and ends with the last of them: too late at worst, never left behind.
    """

    guard: int
    environment: Callable[[int], Mapping[str, str]]
    _seen: set[tuple[int, int]] = field(default_factory=set)

    def members(self, tree: Tree, trees: Mapping[str, Tree], table: Mapping[int, Process]) -> set[int]:
        """Return the PIDs of all live processes of `tree`, its orphans included."""
        self.adopt(trees, table)
        roots = {tree.root}
        for process in self._orphans(trees, table):
            if self._owner(process, trees) == tree.name or (
                process.pid in tree.suspects
                and not any(process.pid in other.suspects for other in trees.values() if other is not tree)
            ):
                roots.add(process.pid)
        found = descendants(roots, table)
        # A process that called setsid keeps its parents, one that lost them keeps its session.
        found |= {process.pid for process in table.values() if process.session == tree.root}
        return {pid for pid in found if not table[pid].zombie and pid != self.guard}

    def adopt(self, trees: Mapping[str, Tree], table: Mapping[int, Process]) -> None:
        """Lay every new orphan without an owner at the door of the trees that run now."""
        for process in self._orphans(trees, table):
            identity = (process.pid, process.start_ticks)
            if identity in self._seen:
                continue
            self._seen.add(identity)
            if self._owner(process, trees) is None:
                for tree in trees.values():
                    if tree.may_hide:
                        tree.suspects.add(process.pid)
        self._seen = {(pid, ticks) for pid, ticks in self._seen if pid in table}

    def _orphans(self, trees: Mapping[str, Tree], table: Mapping[int, Process]) -> list[Process]:
        roots = {tree.root for tree in trees.values()}
        return [p for p in table.values() if p.parent == self.guard and p.pid not in roots and not p.zombie]

    def _owner(self, process: Process, trees: Mapping[str, Tree]) -> str | None:
        for tree in trees.values():
            if process.session == tree.root:
                return tree.name
        return self.environment(process.pid).get(TREE_MARK)
