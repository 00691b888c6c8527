"""The trial code directory on its way to the head, each byte once."""

from __future__ import annotations

import asyncio
import itertools
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

import ray_remote_nni
from ray_remote_nni.cluster.local import LocalTransport
from ray_remote_nni.cluster.module import run_module
from ray_remote_nni.errors import MachineError, UsageError
from ray_remote_nni.experiment import upload
from ray_remote_nni.experiment.head import Head
from ray_remote_nni.experiment.upload import Sent, read_code, send_code
from ray_remote_nni.trial.code import code_folder, codes_folder, has_code
from ray_remote_nni.trial.working_copy import make_working_copy

COPIES = itertools.count()
LIBRARY = str(Path(ray_remote_nni.__file__).parents[1])


class HeadHere:
    """The head is this machine."""

    machine = SimpleNamespace(host="head")

    def run(self, module: str, *arguments: str) -> AbstractAsyncContextManager[Any]:
        return run_module(LocalTransport(), sys.executable, LIBRARY, module, arguments)


@pytest.fixture
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small project of somebody's; the head's home is another folder."""
    (tmp_path / "head").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "head"))
    folder = tmp_path / "code"
    (folder / "pkg" / "empty").mkdir(parents=True)
    (folder / "train.py").write_text("import pkg\n")
    (folder / "pkg" / "__init__.py").touch()
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    return folder


def send(directory: Path) -> tuple[Path, Sent]:
    """Send the code to the head; return a copy such as a trial gets, and how much was sent."""
    seen: list[Sent] = []
    read = read_code(directory)
    asyncio.run(send_code(read, cast(Head, HeadHere()), seen.append))
    assert has_code(read.manifest.name)
    copy = Path.home() / f"copy{next(COPIES)}"
    make_working_copy(code_folder(read.manifest.name), str(copy))
    return copy, seen[-1]


def name(directory: Path) -> str:
    return read_code(directory).manifest.name


def left_behind() -> list[str]:
    """What is half made on the head."""
    return [path.name for path in codes_folder().iterdir() if ".part" in path.name]


def test_the_same_content_in_another_place_at_another_time_has_the_same_name(code: Path, tmp_path: Path) -> None:
    before = name(code)
    for path in code.rglob("*"):
        os.utime(path, (1, 1))
    (code / "train.py").chmod(0o600)
    os.rename(code, tmp_path / "other")
    assert name(tmp_path / "other") == before


@pytest.mark.parametrize("change", ["content", "name", "mode", "link", "empty folder", "file to folder", "target"])
def test_every_change_that_a_trial_could_notice_changes_the_name(code: Path, change: str) -> None:
    (code / "points").symlink_to("train.py")
    before = name(code)
    if change == "content":
        (code / "train.py").write_text("import gkp\n")
    elif change == "name":
        (code / "train.py").rename(code / "Train.py")
    elif change == "mode":
        (code / "train.py").chmod(0o755)
    elif change == "link":
        (code / "link").symlink_to("train.py")
    elif change == "empty folder":
        (code / "pkg" / "empty").rmdir()
    elif change == "file to folder":
        (code / "pkg" / "__init__.py").unlink()
        (code / "pkg" / "__init__.py").mkdir()
    else:
        (code / "points").unlink()
        (code / "points").symlink_to("run.sh")
    assert name(code) != before


def test_what_is_there_already_is_not_sent_again(code: Path) -> None:
    assert send(code)[1] == Sent(11 + 10, 11 + 10, 2, 2)
    assert send(code)[1].all_bytes == 0


def test_of_a_changed_file_only_that_file_is_sent(code: Path) -> None:
    (code / "data.bin").write_bytes(os.urandom(3 * 2**20))
    send(code)
    (code / "train.py").write_text("import pkg, os\n")
    there, sent = send(code)
    assert sent == Sent(15, 15, 1, 1)
    assert (there / "train.py").read_text() == "import pkg, os\n"
    assert (there / "run.sh").read_text() == "#!/bin/sh\n"
    assert (there / "data.bin").read_bytes() == (code / "data.bin").read_bytes()


def test_a_file_that_moved_or_is_there_twice_is_sent_once(code: Path) -> None:
    (code / "data.bin").write_bytes(os.urandom(2**20 + 1))
    send(code)
    (code / "data.bin").rename(code / "pkg/moved.bin")
    (code / "more").mkdir()
    for number in range(3):
        (code / f"more/{number}").write_text("the same")
    there, sent = send(code)
    assert sent == Sent(8, 8, 1, 1)
    assert (there / "pkg/moved.bin").read_bytes() == (code / "pkg/moved.bin").read_bytes()
    assert [(there / f"more/{number}").read_text() for number in range(3)] == ["the same"] * 3


def test_modes_links_and_times_arrive_as_they_were(code: Path) -> None:
    (code / "link").symlink_to("pkg/../train.py")
    (code / "dangling").symlink_to("/no/such/file")
    (code / "again").symlink_to("pkg")
    (code / "loop").symlink_to(".")
    (code / "pkg").chmod(0o500)
    there, _ = send(code)
    assert (there / "run.sh").stat().st_mode & 0o777 == 0o755
    assert (there / "run.sh").stat().st_mtime_ns == (code / "run.sh").stat().st_mtime_ns
    # Trials write into their folders, and they must be deletable.
    assert (there / "pkg").stat().st_mode & 0o777 == 0o700
    assert [os.readlink(there / link) for link in ("link", "dangling", "again", "loop")] == [
        "pkg/../train.py",
        "/no/such/file",
        "pkg",
        ".",
    ]
    assert (there / "pkg" / "empty").is_dir()


@pytest.mark.parametrize("text", ["Größe ✓.txt", "a b'c\"d.txt", "line\nbreak.txt", os.fsdecode(b"latin-\xe9.txt")])
def test_any_name_arrives_as_it_was(code: Path, text: str) -> None:
    (code / text).write_text("x")
    assert (send(code)[0] / text).read_text() == "x"


def test_a_very_long_path_arrives(code: Path) -> None:
    deep = Path(*["d" * 60] * 5)
    (code / deep).mkdir(parents=True)
    (code / deep / "file").touch()
    assert (send(code)[0] / deep / "file").is_file()


def test_pipes_and_sockets_are_left_behind(code: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(code / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        monkeypatch.chdir(code)
        listening.bind("socket")
        there, _ = send(code)
    assert not (there / "pipe").exists()
    assert not (there / "socket").exists()


def test_a_second_configuration_with_a_password_stays_here_and_is_named(code: Path) -> None:
    (code / "other.yml").write_text("trainingService: {machineList: [{host: a, password: hunter2}]}")
    assert read_code(code).left_out == ("other.yml",)
    assert not (send(code)[0] / "other.yml").exists()


def test_a_file_that_cannot_be_read_is_named(code: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: str, _: int) -> str:
        raise PermissionError(13, "Permission denied", path)

    for read in ("read_small", "file_digest"):
        monkeypatch.setattr(upload, read, fail)
    with pytest.raises(UsageError, match=r"trialCodeDirectory: .*__init__\.py cannot be read: Permission denied"):
        read_code(code)


@pytest.mark.parametrize("how", ["gone", "longer", "shorter", "same size"])
def test_a_file_that_changes_before_it_is_sent_is_named_and_nothing_of_it_is_used(code: Path, how: str) -> None:
    data = code / "data.bin"
    data.write_bytes(bytes(2**20))
    read = read_code(code)
    if how == "gone":
        data.unlink()
    else:
        data.write_bytes(b"x" * (2**20 + {"longer": 1, "shorter": -1, "same size": 0}[how]))
        os.utime(data, ns=(1, 1))
    with pytest.raises(UsageError, match=r"trialCodeDirectory: .*data\.bin (changed while|cannot be read any more)"):
        asyncio.run(send_code(read, cast(Head, HeadHere()), lambda _: None))
    assert not has_code(read.manifest.name)


def test_a_small_file_is_sent_as_it_was_when_it_was_read(code: Path) -> None:
    read = read_code(code)
    (code / "train.py").write_text("import gkp\n")
    (code / "run.sh").unlink()
    asyncio.run(send_code(read, cast(Head, HeadHere()), lambda _: None))
    make_working_copy(code_folder(read.manifest.name), str(Path.home() / "copy"))
    assert (Path.home() / "copy/train.py").read_text() == "import pkg\n"
    assert (Path.home() / "copy/run.sh").read_text() == "#!/bin/sh\n"


def test_only_so_much_is_kept_until_it_is_sent(code: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload, "_KEPT_BYTES", 15)
    read = read_code(code)
    assert sum(map(len, read.read.values())) <= 15
    assert send(code)[1].all_bytes == 21


def interrupt(code: Path, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """Send the code until so many parts have gone."""
    whole = upload._contents
    count = 0

    def interrupted(path: str, entry: Any, start: int) -> Iterator[bytes]:
        nonlocal count
        for part in whole(path, entry, start):
            yield part
            count += 1
            if count == after:
                # What is under way arrives, or not, as with a lost connection.
                raise KeyboardInterrupt

    read = read_code(code)
    with monkeypatch.context() as patch:
        patch.setattr(upload, "_contents", interrupted)
        with pytest.raises(KeyboardInterrupt):
            asyncio.run(send_code(read, cast(Head, HeadHere()), lambda _: None))
    assert not has_code(read.manifest.name)


def test_an_upload_that_was_interrupted_goes_on_where_it_was(code: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.bin", "b.bin"):
        (code / name).write_bytes(os.urandom(20 * 2**20))
    for after in (15, 15):
        interrupt(code, monkeypatch, after)
    there, sent = send(code)
    # The pipe and the head's end may lose the last few parts of each.
    assert sent.all_bytes < 20 * 2**20
    assert left_behind() == []
    for name in ("a.bin", "b.bin"):
        assert (there / name).read_bytes() == (code / name).read_bytes()


def test_a_head_that_cannot_take_it_says_why(code: Path, tmp_path: Path) -> None:
    (tmp_path / "head/.ray-nni").touch()
    with pytest.raises(MachineError, match=r"head: it did not take the code: .*\.ray-nni"):
        asyncio.run(send_code(read_code(code), cast(Head, HeadHere()), lambda _: None))


class FullHead(HeadHere):
    """A head on whose disk there is no room for a byte."""

    def run(self, module: str, *arguments: str) -> AbstractAsyncContextManager[Any]:
        library = Path.home() / "lib"
        library.mkdir()
        (library / "full.py").write_text("import os\ndef main(): raise OSError(28, os.strerror(28))\n")
        return run_module(LocalTransport(), sys.executable, str(library), "full", arguments)


def test_what_helps_against_a_full_disk_of_the_head_is_said(code: Path) -> None:
    with pytest.raises(MachineError, match=r"No space left on device\. Make room .*ray-nni delete"):
        asyncio.run(send_code(read_code(code), cast(Head, FullHead()), lambda _: None))


def test_progress_tells_bytes_and_files(code: Path) -> None:
    (code / "data.bin").write_bytes(os.urandom(3 * 2**20))
    seen: list[Sent] = []
    asyncio.run(send_code(read_code(code), cast(Head, HeadHere()), seen.append))
    assert [(sent.files, sent.all_files) for sent in (seen[0], seen[-1])] == [(2, 3), (3, 3)]
    assert seen == sorted(seen, key=lambda sent: sent.bytes)
    assert seen[-1].bytes == seen[-1].all_bytes == 3 * 2**20 + 21


def test_one_byte_anywhere_in_a_large_file_makes_other_code(code: Path) -> None:
    size = 17 * 2**20
    names = set()
    for changed in (None, 0, 8 * 2**20 - 1, 8 * 2**20, size - 1):
        content = bytearray(size)
        if changed is not None:
            content[changed] = 1
        (code / "data.bin").write_bytes(content)
        names.add(name(code))
    (code / "data.bin").write_bytes(bytes(size + 1))
    names.add(name(code))
    assert len(names) == 6
    (code / "data.bin").write_bytes(bytes(size))
    assert name(code) in names
