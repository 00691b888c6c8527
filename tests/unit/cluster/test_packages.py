"""The packages of a private Python for a machine whose Python is another minor version than ours, by the real pip."""

from __future__ import annotations

import asyncio
import io
import tarfile
import zipfile
from pathlib import Path

import pytest
from machine_values import facts

from ray_remote_nni.cluster.packages import Packages
from ray_remote_nni.cluster.pythons import FoundPython
from ray_remote_nni.errors import MachineError


def wheel(folder: Path, name: str, tag: str, *requires: str) -> None:
    """Write a wheel of one module, which says for which Pythons it is."""
    needs = "".join(f"Requires-Dist: {text}\n" for text in requires)
    with zipfile.ZipFile(folder / f"{name}-1.0-{tag}.whl", "w") as archive:
        archive.writestr(f"{name}.py", f"TAG = '{tag}'\n")
        archive.writestr(
            f"{name}-1.0.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{needs}"
        )
        archive.writestr(f"{name}-1.0.dist-info/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n")
        archive.writestr(f"{name}-1.0.dist-info/RECORD", "")


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only place where pip finds packages; `wanted` needs one that is compiled, and one for each of two Pythons."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    markers = ("old_only; python_version < '3.11'", "new_only; python_version >= '3.13'")
    wheel(folder, "wanted", "py3-none-any", "fast", *markers)
    for tag in ("cp310-cp310", "cp312-cp312", "cp313-cp313"):
        wheel(folder, "fast", f"{tag}-manylinux_2_17_x86_64")
    for name in ("old_only", "new_only"):
        wheel(folder, name, "py3-none-any")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def packed(version: tuple[int, int, int]) -> dict[str, str]:
    """Pack what a machine's Python needs, and return the modules with what they say."""
    machine = facts(libc="2.31", architecture="x86_64")
    _, archive = asyncio.run(Packages(("wanted",), FoundPython("/usr/bin/python3", version), machine).pack())
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        texts = {name: opened.extractfile(name) for name in opened.getnames() if name.endswith(".py")}
        return {name.rpartition("/")[2]: file.read().decode() for name, file in texts.items() if file is not None}


@pytest.mark.parametrize(("minor", "more"), [(10, {"old_only.py"}), (12, set()), (13, {"new_only.py"})])
def test_a_machine_gets_the_wheels_and_the_requirements_of_its_own_minor_version(
    index: Path, minor: int, more: set[str]
) -> None:
    modules = packed((3, minor, 4))
    assert modules.keys() == {"wanted.py", "fast.py", *more}
    assert f"cp3{minor}" in modules["fast.py"]


def test_a_minor_version_that_has_no_wheels_is_told_with_what_it_lacks(index: Path) -> None:
    with pytest.raises(MachineError, match=r"it needs wanted for Python 3\.11, .*fast.*`pythonPath`"):
        packed((3, 11, 4))
