"""What the head needs besides Ray and our package: what it has, what is copied to it, what is downloaded for it."""

from __future__ import annotations

import asyncio
import io
import json
import subprocess
import sys
import tarfile
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from machine_values import facts
from packaging.requirements import Requirement

from ray_remote_nni.cluster.dependencies import ROOTS, DependencyPlan, pack_dependencies, plan_dependencies
from ray_remote_nni.cluster.distributions import Available, available_here, manylinux_platforms
from ray_remote_nni.errors import MachineError

WHEEL = "cp311-cp311-manylinux_2_27_x86_64"


def pure(name: str, *requires: str, version: str = "1.0", requires_python: str = "") -> Available:
    return Available(name, version, True, requires_python, ("py3-none-any",), tuple(map(Requirement, requires)))


def compiled(name: str, *requires: str, version: str = "1.0", tag: str = WHEEL) -> Available:
    return Available(name, version, False, ">=3.10", (tag,), tuple(map(Requirement, requires)))


HERE = {
    one.name: one
    for one in (
        pure("hyperopt", "numpy>=1.17", "scipy>=1.5", "tqdm", version="0.3.0"),
        pure("tqdm"),
        pure("threadpoolctl", version="3.8.0"),
        compiled("numpy", version="2.4.6"),
        compiled("scipy", "numpy<2.7,>=1.26", version="1.17.1"),
    )
}


def decide(here: dict[str, Available] = HERE, **changes: Any) -> DependencyPlan:
    return plan_dependencies(here, facts(**changes))


def head_with(**distributions: str) -> dict[str, Any]:
    """A head that has what else the tuners need besides hyperopt and what that needs."""
    return {"distributions": {"ray": "2.60.0", "threadpoolctl": "3.5.0", **distributions}}


def test_a_head_that_has_all_is_brought_nothing() -> None:
    plan = decide(**head_with(hyperopt="0.3.0", numpy="2.4.6", scipy="1.17.1", tqdm="4"))
    assert plan == DependencyPlan((), (), None)


def test_what_the_head_lacks_is_copied_where_a_copy_fits_its_python() -> None:
    assert decide().copied == ("hyperopt", "numpy", "scipy", "threadpoolctl", "tqdm")


def test_what_the_head_has_is_used_as_it_is() -> None:
    assert decide(**head_with(numpy="2.0.1", scipy="1.14.0", tqdm="4")).copied == ("hyperopt",)


def test_a_version_that_is_too_old_is_replaced() -> None:
    assert "hyperopt" in decide(**head_with(hyperopt="0.2.7", numpy="2.4.6", scipy="1.17.1", tqdm="4")).copied


def test_a_prerelease_that_the_head_has_will_do() -> None:
    assert decide(**head_with(numpy="2.5.0rc1", scipy="1.17.1", tqdm="4")).copied == ("hyperopt",)


@pytest.mark.parametrize(
    "changes",
    [
        {"python_version": (3, 12, 1)},
        {"architecture": "aarch64"},
        {"libc": "2.17"},
    ],
)
def test_what_was_compiled_for_another_machine_is_downloaded(changes: dict[str, Any]) -> None:
    plan = decide(**changes)
    assert plan.copied == ("hyperopt", "threadpoolctl", "tqdm")
    assert [text.split("<")[0].split(">")[0] for text in plan.downloaded] == ["numpy", "scipy"]


def test_a_download_keeps_to_what_is_required_of_it() -> None:
    downloaded = decide(python_version=(3, 12, 1)).downloaded
    (numpy,) = [Requirement(text) for text in downloaded if text.startswith("numpy")]
    assert not numpy.specifier.contains("1.20")
    assert not numpy.specifier.contains("2.7")
    assert numpy.specifier.contains("2.4.6")


def test_pure_python_that_does_not_support_the_heads_python_is_downloaded() -> None:
    here = {**HERE, "tqdm": pure("tqdm", requires_python=">=3.12")}
    assert decide(here, **head_with(numpy="2.4.6", scipy="1.17.1")).downloaded == ("tqdm",)


def test_the_folders_name_changes_with_what_is_in_it() -> None:
    newer = {**HERE, "tqdm": pure("tqdm", version="2.0")}
    names = [
        decide().folder,
        decide(newer).folder,
        decide(python_version=(3, 12, 1)).folder,
        decide(**head_with(numpy="2.4.6")).folder,
    ]
    assert len(set(names)) == len(names)
    assert decide().folder == decide().folder


@pytest.mark.parametrize(
    ("libc", "newest"),
    [("2.36", "manylinux_2_36_x86_64"), ("2.17", "manylinux_2_17_x86_64"), ("", "manylinux_2_17_x86_64")],
)
def test_wheels_may_be_as_new_as_the_heads_c_library(libc: str, newest: str) -> None:
    assert manylinux_platforms(facts(libc=libc))[0] == newest


def test_the_closure_here_has_all_that_the_tuners_need() -> None:
    here = available_here(ROOTS)
    assert {"hyperopt", "numpy", "scipy", "cloudpickle", "networkx", "tqdm", "threadpoolctl"} <= set(here)
    assert here["hyperopt"].pure
    assert not here["numpy"].pure


def test_what_one_tuner_needs_besides_comes_in_a_folder_of_its_own() -> None:
    more = {**HERE, "scikit-learn": compiled("scikit-learn", "numpy>=1.22", "joblib"), "joblib": pure("joblib")}
    roots = (*ROOTS, "scikit-learn>=1")
    for head in (head_with(), head_with(numpy="2.0.1", scipy="1.14.0", tqdm="4", joblib="1")):
        brought = plan_dependencies(HERE, facts(**head))
        extra = plan_dependencies(more, facts(**head), roots, brought)
        assert set(extra.copied) == {"scikit-learn", "joblib"} - set(head["distributions"])
        assert extra.folder != brought.folder
    there = head_with(hyperopt="0.3.0", numpy="2.4.6", scipy="1.17.1", tqdm="4", joblib="1", **{"scikit-learn": "1.4"})
    assert plan_dependencies(more, facts(**there), roots, plan_dependencies(HERE, facts(**there))).folder is None


def unpack(archive: bytes, target: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(archive)) as packed:
        packed.extractall(target, filter="data")


def pack(plan: DependencyPlan, **changes: Any) -> bytes:
    return asyncio.run(pack_dependencies(plan, "192.0.2.1", facts(**changes)))


def test_what_was_copied_can_be_imported_on_the_head(tmp_path: Path) -> None:
    unpack(pack(DependencyPlan(("hyperopt",), (), "head-x")), tmp_path)
    the_rest = Path(metadata.distribution("numpy").locate_file(""))  # type: ignore[arg-type]
    code = (
        "import json, sys; sys.path[:0] = [sys.argv[1]]; sys.path.append(sys.argv[2])\n"
        "import hyperopt, importlib.metadata as metadata\n"
        "print(json.dumps([hyperopt.__file__, metadata.version('hyperopt')]))"
    )
    python = [sys.executable, "-S", "-E", "-c", code, str(tmp_path), str(the_rest)]
    file, version = json.loads(subprocess.run(python, capture_output=True, check=True).stdout)
    assert file.startswith(str(tmp_path))
    assert version == available_here(ROOTS)["hyperopt"].version


def test_a_copy_leaves_scripts_tests_and_caches_behind(tmp_path: Path) -> None:
    unpack(pack(DependencyPlan(("hyperopt", "tqdm"), (), "head-x")), tmp_path)
    parts = {part for file in tmp_path.rglob("*") for part in file.relative_to(tmp_path).parts}
    assert not parts & {"bin", "tests", "__pycache__", ".."}


@pytest.fixture
def pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """In the place of Python with pip: a script that a test writes; it finds its arguments in `$@`."""
    script = tmp_path / "python"
    monkeypatch.setattr(sys, "executable", str(script))
    return script


def write_pip(script: Path, body: str) -> None:
    script.write_text(f'#!/bin/sh\necho "$@" >{script}.arguments\n{body}\n')
    script.chmod(0o755)


def test_a_download_is_made_for_the_heads_python_and_not_for_ours(pip: Path) -> None:
    write_pip(pip, 'while [ "$1" != --dest ]; do shift; done; mkdir "$2"')
    pack(DependencyPlan((), ("numpy<2.7",), "head-x"), python_version=(3, 12, 4), architecture="aarch64", libc="2.31")
    arguments = Path(f"{pip}.arguments").read_text()
    assert "--python-version 3.12 " in arguments
    assert "--platform manylinux_2_31_aarch64" in arguments
    assert "--only-binary=:all:" in arguments
    assert "numpy<2.7" in arguments


def test_a_download_that_fails_says_why_and_what_to_do_on_the_head(pip: Path) -> None:
    write_pip(pip, "echo 'ERROR: No matching distribution found for numpy' >&2; exit 1")
    with pytest.raises(MachineError) as caught:
        pack(DependencyPlan((), ("numpy",), "head-x"), python="/opt/py/bin/python3")
    assert "192.0.2.1: " in str(caught.value)
    assert "No matching distribution found for numpy" in str(caught.value)
    assert "/opt/py/bin/python3 -m pip install 'hyperopt==0.3.0' 'threadpoolctl>=3.1'" in str(caught.value)


def test_a_numpy_of_the_heads_own_is_good_enough_for_its_own_scipy() -> None:
    # Our scipy would want a newer numpy, and ours does not go there.
    plan = decide(**head_with(numpy="1.24.4", scipy="1.10.1", tqdm="4"))
    assert plan == DependencyPlan(("hyperopt",), (), plan.folder)


def test_a_scipy_of_the_heads_own_is_replaced_with_the_numpy_that_it_was_compiled_against() -> None:
    plan = decide(**head_with(numpy="1.16.0", scipy="1.10.1", tqdm="4"))
    assert plan.copied == ("hyperopt", "numpy", "scipy")


def test_what_conda_compiled_here_is_not_copied_since_its_libraries_stay_here() -> None:
    here = {**HERE, "numpy": compiled("numpy", tag="cp311-cp311-linux_x86_64")}
    assert decide(here).downloaded == ("numpy<2.7,>=1.17,>=1.26",)


def test_what_a_head_could_not_load_is_not_sent_to_it() -> None:
    plan = plan_dependencies(available_here(ROOTS), facts())
    with pytest.raises(
        MachineError, match=r"as the head it needs .*numpy.* from the disk of /data .*pip install 'hyper"
    ):
        asyncio.run(pack_dependencies(plan, "gpu1", facts(place="/data", noexec=True)))
