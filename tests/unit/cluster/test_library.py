"""Our own package on a machine: packed, named after its content, installed whole or not at all."""

from __future__ import annotations

import asyncio
import io
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from ray_remote_nni.cluster.library import install, our_library, pack
from ray_remote_nni.cluster.local import LocalTransport
from ray_remote_nni.cluster.remote import install as remote


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder of many small files."""
    folder = tmp_path / "source"
    folder.mkdir()
    for number in range(12):
        (folder / f"module_{number}.py").write_text(f"# {number}\n" * number)
    return folder


def packed(folder: Path) -> tuple[str, bytes]:
    return pack("lib", ((file.name, file) for file in sorted(folder.iterdir())))


def test_the_same_content_has_the_same_name(source: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for file in source.iterdir():
        (other / file.name).write_bytes(file.read_bytes())
    assert packed(source)[0] == packed(other)[0]


@pytest.mark.parametrize("change", ["content", "name", "more"])
def test_other_content_has_another_name(source: Path, change: str) -> None:
    before = packed(source)[0]
    if change == "content":
        (source / "module_1.py").write_text("# 2\n")
    elif change == "name":
        (source / "module_1.py").rename(source / "module_1_.py")
    else:
        (source / "more.py").touch()
    assert packed(source)[0] != before


def test_bytes_that_move_from_one_file_to_the_next_are_other_content(tmp_path: Path) -> None:
    first, second = tmp_path / "1", tmp_path / "2"
    first.write_text("ab")
    second.write_text("c")
    before = pack("lib", [("1", first), ("2", second)])[0]
    first.write_text("a")
    second.write_text("bc")
    assert pack("lib", [("1", first), ("2", second)])[0] != before


def library_names() -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(our_library()[1])) as archive:
        return archive.getnames()


def test_machines_get_the_rooms_that_they_need_and_no_other() -> None:
    rooms = {name.split("/")[1] for name in library_names() if name.count("/") > 1}
    assert rooms == {"assessor", "cluster", "custom", "experiment", "guard", "records", "trial", "tuner"}


def test_machines_get_the_stand_in_for_nni() -> None:
    assert "ray_remote_nni/trial/standin/nni/__init__.py" in library_names()


def test_machines_get_no_caches() -> None:
    assert all(name.endswith(".py") for name in library_names())


def test_what_runs_over_ssh_needs_the_library_and_the_standard_library_alone(tmp_path: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(our_library()[1])) as archive:
        archive.extractall(tmp_path, filter="data")
    modules = [
        "ray_remote_nni.guard.start",
        "ray_remote_nni.cluster.remote.start_node",
        "ray_remote_nni.cluster.remote.stop_node",
        "ray_remote_nni.records.feed",
        "ray_remote_nni.records.requests",
        "ray_remote_nni.experiment.collect",
        "ray_remote_nni.experiment.receive",
    ]
    code = f"import sys; sys.path.insert(0, sys.argv[1]); import {', '.join(modules)}; print(ray_remote_nni.__file__)"
    python = [sys.executable, "-S", "-E", "-c", code, str(tmp_path)]
    done = subprocess.run(python, capture_output=True, text=True, cwd="/")
    assert done.stdout.startswith(str(tmp_path)), done.stderr


def install_here(name: str, archive: bytes, kind: str = "lib") -> None:
    asyncio.run(install(LocalTransport(), sys.executable, name, io.BytesIO(archive), kind=kind))


def test_an_archive_is_unpacked_below_the_machines_home(home: Path, source: Path) -> None:
    name, archive = packed(source)
    install_here(name, archive)
    installed = home / ".ray-nni" / "lib" / name
    assert {file.name: file.read_bytes() for file in installed.iterdir()} == {
        file.name: file.read_bytes() for file in source.iterdir()
    }


def test_nobody_else_can_look_into_our_folder(home: Path, source: Path) -> None:
    (home / ".ray-nni").mkdir(mode=0o755)
    install_here(*packed(source), kind="code")
    assert (home / ".ray-nni").stat().st_mode & 0o777 == 0o700


def unpack_now(name: str, archive: bytes, size: int | None = None) -> str:
    return remote.main(
        {"kind": "lib", "name": name, "size": len(archive) if size is None else size}, io.BytesIO(archive)
    )


def test_what_is_installed_already_is_left_as_it_is(home: Path, source: Path) -> None:
    name, archive = packed(source)
    folder = Path(unpack_now(name, archive))
    (folder / "mark").touch()
    assert unpack_now(name, archive) == str(folder)
    assert (folder / "mark").exists()


def test_of_two_that_install_at_once_both_find_it_whole(home: Path, source: Path) -> None:
    name, archive = packed(source)

    class Race(io.BytesIO):
        """While it is being read, somebody else installs the same."""

        def read(self, size: int | None = -1) -> bytes:
            if not (home / ".ray-nni" / "lib" / name).exists():
                unpack_now(name, archive)
            return super().read(size)

    folder = Path(remote.main({"kind": "lib", "name": name, "size": len(archive)}, Race(archive)))
    assert len(list(folder.iterdir())) == 12
    assert [path.name for path in folder.parent.iterdir()] == [name]


def test_what_is_no_archive_leaves_nothing_behind(home: Path) -> None:
    with pytest.raises(Exception, match=r"(?i)not a|could not|invalid"):
        unpack_now("lib-x", b"Connection closed by foreign host.\r\n" * 100)
    assert list((home / ".ray-nni" / "lib").iterdir()) == []


def test_an_archive_cannot_write_outside_its_folder(home: Path, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        archive.addfile(tarfile.TarInfo("../../../evil"))
    with pytest.raises(tarfile.FilterError):
        unpack_now("lib-x", buffer.getvalue())
    assert not (home / "evil").exists()


def test_an_archive_that_was_cut_off_anywhere_leaves_nothing_behind(home: Path, source: Path) -> None:
    name, archive = packed(source)
    accepted = []
    for length in range(0, len(archive), max(1, len(archive) // 60)):
        try:
            unpack_now(name, archive[:length], size=len(archive))
        except Exception:
            continue
        accepted.append(length)
    assert accepted == []
    assert list((home / ".ray-nni" / "lib").iterdir()) == []


def test_the_same_content_makes_the_same_archive(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = packed(source)
    monkeypatch.setattr("time.time", lambda: 2_000_000_000.0)
    assert packed(source) == before
