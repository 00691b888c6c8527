"""Imports go down only, and nothing that runs on a machine needs what is not there."""

from __future__ import annotations

import ast
import io
import sys
import tarfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import ray_remote_nni
from ray_remote_nni.cluster.library import our_library

PACKAGE = Path(ray_remote_nni.__file__).parent

#: Each room, from the bottom to the top, with the rooms and the packages of others that it may import.
ROOMS: dict[str, tuple[set[str], set[str]]] = {
    "errors": (set(), set()),
    "paths": (set(), set()),
    "words": (set(), set()),
    "file_lock": (set(), set()),
    "disk": (set(), set()),
    "guard": (set(), set()),
    "config": ({"errors", "words"}, {"pydantic", "yaml"}),
    "records": ({"errors", "file_lock", "disk"}, set()),
    "tuner": ({"errors"}, {"hyperopt", "numpy", "scipy", "sklearn", "threadpoolctl"}),
    "assessor": ({"errors"}, {"numpy", "scipy"}),
    "custom": ({"errors", "guard"}, set()),
    "testing": ({"errors", "tuner"}, {"pytest"}),
    "trial": ({"file_lock", "disk", "guard"}, set()),
    "cluster": (
        {"errors", "paths", "words", "file_lock", "guard", "config"},
        {"asyncssh", "cryptography", "packaging", "pydantic"},
    ),
    "experiment": (
        {
            "errors",
            "paths",
            "words",
            "file_lock",
            "config",
            "records",
            "tuner",
            "assessor",
            "custom",
            "trial",
            "cluster",
        },
        {"ray", "yaml", "pathspec"},
    ),
    "views": ({"words", "records"}, {"rich"}),
    "cli": ({"errors", "words", "config", "cluster", "experiment", "records", "views"}, {"rich", "typer"}),
}
#: The only modules below `experiment` that know Ray: an actor, and what runs as a Ray task or beside one.
KNOWS_RAY = {"tuner.actor", "trial.task", "trial.inbox", "trial.gpu_watch", "cluster.remote.dismiss"}
#: Run on a machine by its bare Python, without any installed package.
BARE = {
    "cluster.remote.make_runtime",
    "cluster.remote.start_node",
    "cluster.remote.stop_node",
    "experiment.receive",
    "experiment.receive_code",
    "experiment.receive_renewed",
    "experiment.machines",
    "experiment.collect",
    "records.feed",
    "records.requests",
}
#: Run on a machine by Ray's Python.
WITH_RAY = {"experiment.driver", "trial.task", "tuner.actor", "cluster.remote.start_hook", "cluster.remote.dismiss"}
ON_MACHINES = {"ray", "hyperopt", "numpy", "scipy", "sklearn", "threadpoolctl"}


def name_of(file: Path) -> str:
    """Return a module's name below the package."""
    parts = file.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


#: The stand-in for `nni` is a package of its own, and what runs people's own classes a script, for any Python.
ALONE = {"standin", "worker.py", "ray_nni_advisor.py"}
MODULES = {name_of(file): file for file in PACKAGE.rglob("*.py") if not ALONE & set(file.parts)}


@cache
def imports(module: str) -> tuple[str, ...]:
    """Return what a module imports, inside functions too, by full name."""
    return tuple(_imports(module))


def _imports(module: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative imports are not used here"
            # What is imported from a package may be a module of it.
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def ours(imported: str) -> str | None:
    """Return the module of ours that a name means, None where it is not of this package."""
    if imported.partition(".")[0] != PACKAGE.name:
        return None
    name = imported.partition(".")[2]
    return name if name in MODULES else name.rpartition(".")[0]


def others(imported: str) -> str | None:
    """Return the package of others that a name means."""
    package = imported.partition(".")[0]
    return None if package == PACKAGE.name or package in sys.stdlib_module_names else package


def reached(module: str) -> set[str]:
    """Return all modules of ours that are loaded when this one is."""
    found: set[str] = set()
    waiting = {module}
    while waiting:
        name = waiting.pop()
        found.add(name)
        above = {".".join(name.split(".")[:count]) for count in range(name.count(".") + 1)}
        waiting |= ({target for imported in imports(name) if (target := ours(imported)) is not None} | above) - found
    return found


def packages_of(modules: set[str]) -> set[str]:
    return {package for module in modules for imported in imports(module) if (package := others(imported))}


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_what_may_enter_it(room: str) -> None:
    rooms, packages = ROOMS[room]
    strangers = []
    for module in MODULES:
        if module.partition(".")[0] != room:
            continue
        allowed = packages | ({"ray"} if module in KNOWS_RAY else set())
        for imported in imports(module):
            target = (ours(imported) or "").partition(".")[0]
            if target and target not in {room, *rooms}:
                strangers.append(f"{module} imports {imported}")
            if (package := others(imported)) is not None and package not in allowed:
                strangers.append(f"{module} imports {imported}")
    assert strangers == []


def test_every_module_is_in_a_room() -> None:
    assert {module.partition(".")[0] for module in MODULES} - {"", "__main__"} == set(ROOMS)


def test_the_rooms_have_an_order() -> None:
    order = list(ROOMS)
    for room, (below, _) in ROOMS.items():
        assert all(order.index(other) < order.index(room) for other in below)


@pytest.mark.parametrize("module", sorted(BARE))
def test_what_a_bare_python_runs_on_a_machine_needs_no_package(module: str) -> None:
    assert packages_of(reached(module)) == set()


@pytest.mark.parametrize("module", sorted(WITH_RAY))
def test_what_ray_runs_on_a_machine_needs_only_what_travels_there(module: str) -> None:
    assert packages_of(reached(module)) <= ON_MACHINES


@pytest.mark.parametrize("module", sorted(BARE | WITH_RAY))
def test_what_runs_on_a_machine_is_sent_there(module: str, shipped: set[str]) -> None:
    missing = {str(MODULES[name].relative_to(PACKAGE.parent)) for name in reached(module)} - shipped
    assert missing == set()


@pytest.fixture(scope="module")
def shipped() -> set[str]:
    """The files of the library that travels to machines."""
    _, archive = our_library()
    with tarfile.open(fileobj=io.BytesIO(archive)) as packed:
        return set(packed.getnames())


def test_no_two_files_of_tests_have_one_name() -> None:
    """Python knows each by its name alone, as it lies in no package."""
    names = sorted(file.name for file in Path(__file__).parents[1].rglob("test_*.py"))
    assert names == sorted(set(names))
