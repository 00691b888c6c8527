"""Which Python Ray runs in: the machines' own where they agree, else as few private runtimes as possible."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from machine_values import facts

from ray_remote_nni.cluster.facts import MachineFacts
from ray_remote_nni.cluster.pythons import Choice, FoundPython, Prospects, RayPython, agreed, choose
from ray_remote_nni.cluster.remote import pythons as remote
from ray_remote_nni.cluster.runtime import no_place
from ray_remote_nni.errors import ClusterError

RAY = "2.60.0"


def python(minor: int, *missing: str) -> FoundPython:
    return FoundPython(f"/usr/bin/python3.{minor}", (3, minor, 1), missing)


def has(*minors: int, runtimes: tuple[str, ...] = ()) -> Prospects:
    return Prospects(tuple(map(python, minors)), {name: f"/r/{name}/bin/python" for name in runtimes})


def own(minor: int, ray: str = RAY) -> MachineFacts:
    return facts(python_version=(3, minor, 0), distributions={"ray": ray})


def bare() -> MachineFacts:
    return facts(distributions={}, ray_has_dashboard=False)


def decide(*machines: tuple[MachineFacts, Prospects], **changes: Any) -> list[Choice]:
    asked = {"preferred": RayPython((3, 11), RAY), "running": None, "always": False, **changes}
    hosts = [f"m{number}" for number in range(len(machines))]
    return choose(hosts, [known for known, _ in machines], [found for _, found in machines], **asked)


def test_where_no_program_may_be_started_no_runtime_is_made_and_pip_is_no_remedy() -> None:
    problem = no_place("gpu1", facts(place="/data", noexec=True))
    assert problem is not None
    assert "disk of /data no program may be started" in problem.what
    assert "on another disk, and name its folder in `pythonPath`" in str(problem.remedy)
    assert no_place("gpu1", facts()) is None
    assert "only 100 MB are free" in str(no_place("gpu1", facts(free_bytes=100 * 2**20)))


def test_machines_agree_where_all_have_the_same_ray_and_python() -> None:
    assert agreed([own(11), own(11)])
    assert not agreed([own(11), own(12)])
    assert not agreed([own(11), own(11, "2.61.0")])
    assert not agreed([own(11), bare()])
    assert not agreed([own(9)])


def test_who_has_ray_keeps_it_and_the_other_gets_the_same_one() -> None:
    first, second = decide((own(10, "2.61.0"), has(10, 12)), (bare(), has(12, 10)))
    assert first == Choice(RayPython((3, 10), "2.61.0"), None)
    assert second.made_of == python(10)
    assert second.executable == "/home/alice/.ray-nni/runtime/ray-2.61.0-cp310-x86_64/bin/python"


def test_a_runtime_that_is_there_is_taken_before_another_is_made() -> None:
    (choice,) = decide((bare(), has(11, 12, runtimes=("ray-2.60.0-cp312-x86_64",))))
    assert (choice.common.minor, choice.made_of) == ((3, 12), None)


def test_among_equals_the_clients_own_python_is_taken_else_the_newest() -> None:
    assert decide((bare(), has(10, 11, 13)))[0].common.minor == (3, 11)
    assert decide((bare(), has(10, 12, 13)))[0].common.minor == (3, 13)


def test_a_python_without_half_of_its_standard_library_is_passed_over() -> None:
    found = Prospects((python(11, "ssl"), python(10)), {})
    assert decide((bare(), found))[0].made_of == python(10)


def test_always_means_that_no_own_ray_counts() -> None:
    (choice,) = decide((own(11), has(11)), always=True)
    assert choice.made_of == python(11)


def test_what_is_added_to_a_cluster_gets_what_the_cluster_has() -> None:
    (choice,) = decide((own(11), has(11, 12)), running=RayPython((3, 12), "2.61.0"))
    assert choice.common == RayPython((3, 12), "2.61.0")


def test_machines_without_a_python_in_common_are_told_who_has_what() -> None:
    with pytest.raises(ClusterError) as caught:
        decide((bare(), has(10, 11)), (bare(), has(12)))
    assert "m0: the machines have no Python in common: it has 3.10.1 (/usr/bin/python3.10), 3.11.1" in str(caught.value)
    assert "m1: the machines have no Python in common: it has 3.12.1" in str(caught.value)


def test_a_machine_without_any_python_that_will_do_is_named_alone() -> None:
    with pytest.raises(ClusterError) as caught:
        decide((bare(), has(11)), (bare(), Prospects((python(8), python(11, "ssl")), {})))
    assert "m0" not in str(caught.value)
    assert "3.8.1 (/usr/bin/python3.8), 3.11.1 (/usr/bin/python3.11, without the modules ssl)" in str(caught.value)


def a_python(path: Path, version: str) -> None:
    path.parent.mkdir(parents=True)
    said = {"path": str(path), "version": [int(part) for part in version.split(".")], "missing": []}
    path.write_text(f"#!/bin/sh\necho '{json.dumps(said)}'\n")
    path.chmod(0o755)


@pytest.mark.parametrize(
    "place",
    [
        ".pyenv/versions/3.12.1/bin/python3",
        ".local/share/uv/python/cpython-3.12.1-linux-x86_64-gnu/bin/python3",
        "miniconda3/bin/python3",
        "miniforge3/envs/digits/bin/python3",
        "on-path/python3",
        "chosen/python3",
    ],
)
def test_pythons_are_found_where_people_keep_them(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a_python(tmp_path / place, "3.12.1")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("PYENV_ROOT", raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path}/on-path:{os.environ['PATH']}")
    assert str(tmp_path / place) in remote.candidates("~/chosen")
    found = remote.ask(str(tmp_path / place))
    assert found == {"path": str(tmp_path / place), "version": [3, 12, 1], "missing": []}


def test_a_runtime_counts_only_while_all_of_it_is_there(tmp_path: Path) -> None:
    a_python(tmp_path / "ray-x/bin/python", "3.12.1")
    package = tmp_path / "ray-x/lib/ray.py"
    package.parent.mkdir()
    package.write_text("text")
    files, size = remote.measure(str(tmp_path / "ray-x"))
    (tmp_path / "ray-x/runtime.json").write_text(json.dumps({"files": files, "bytes": size}))
    assert remote.runtime(str(tmp_path / "ray-x")) is not None
    package.unlink()
    assert remote.runtime(str(tmp_path / "ray-x")) is None
