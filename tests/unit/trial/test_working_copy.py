"""A trial's own copy of the code: everything in it is the trial's to change, and it costs next to nothing."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path

import pytest
from code_values import put_code

from ray_remote_nni.trial import working_copy
from ray_remote_nni.trial.manifest import Entry, Manifest
from ray_remote_nni.trial.working_copy import decide, leave_to_others, make_working_copy, restock, stock

BIG = 2 * 2**20


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """Somebody's code: one large file, three small ones, links."""
    folder = tmp_path / "mine"
    (folder / "data/deep").mkdir(parents=True)
    (folder / "train.py").write_text("print('é')\n")
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    (folder / "data/deep/empty").touch()
    (folder / "data/big").write_bytes(os.urandom(BIG))
    (folder / "link").symlink_to("train.py")
    (folder / "dangling").symlink_to("/no/such/file")
    return folder


@pytest.fixture
def code(mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """It on a machine whose file system cannot share blocks."""
    monkeypatch.setattr(working_copy, "_clone", lambda *_: False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return put_code(mine)


def contents(folder: Path) -> dict[str, object]:
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        found[str(path.relative_to(folder))] = (
            os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None
        )
    return found


def copy(code: Path, name: str) -> Path:
    target = Path(os.environ["HOME"]) / name
    make_working_copy(code, str(target))
    return target


def spares(code: Path) -> list[str]:
    folder = code / "spare"
    return os.listdir(folder) if folder.exists() else []


def big(code: Path) -> Path:
    """The large file as it lies on the machine."""
    (file,) = (path for path in code.iterdir() if len(path.name) == 64)
    return file


def test_a_copy_holds_everything(mine: Path, code: Path) -> None:
    made = copy(code, "one")
    assert contents(made) == contents(mine)
    for path in ("train.py", "run.sh", "data/deep/empty", "data/big"):
        there, here = (made / path).stat(), (mine / path).stat()
        assert (there.st_mode, there.st_mtime_ns) == (here.st_mode, here.st_mtime_ns)


def test_files_with_the_same_content_have_each_its_own_mode_and_time(
    mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for number, path in enumerate(("train.py", "run.sh", "data/big", "data/deep/big")):
        (mine / path).write_bytes(b"the same" * (1 if number < 2 else 2**18))
        (mine / path).chmod(0o640 + number)
        os.utime(mine / path, (number, number))
    code = put_code(mine)
    for name in ("one", "two"):
        made = copy(code, name)
        assert contents(made) == contents(mine)
        found = [(made / path).stat() for path in ("train.py", "run.sh", "data/big", "data/deep/big")]
        assert [(status.st_mode & 0o777, status.st_mtime) for status in found] == [(0o640 + n, n) for n in range(4)]
        leave_to_others(code, str(made))


@pytest.mark.parametrize("path", ["train.py", "run.sh", "data/deep/empty", "data/big"])
@pytest.mark.parametrize("how", ["r+b", "ab", "wb"])
def test_a_file_that_a_trial_writes_to_in_place_is_its_own(mine: Path, code: Path, path: str, how: str) -> None:
    before = contents(mine)
    first, second = copy(code, "one"), copy(code, "two")
    assert (first / path).stat().st_mode & 0o200
    with (first / path).open(how) as file:
        file.write(b"changed")
    leave_to_others(code, str(first))
    assert contents(second) == contents(copy(code, "three")) == before
    assert b"changed" in (first / path).read_bytes()


def test_a_large_file_goes_from_trial_to_trial_and_can_still_be_read(mine: Path, code: Path) -> None:
    first = copy(code, "one")
    inode = (first / "data/big").stat().st_ino
    leave_to_others(code, str(first))
    second = copy(code, "two")
    assert (second / "data/big").stat().st_ino == inode
    assert (second / "data/big").stat().st_mode & 0o777 == 0o644
    # The first keeps a read-only name of the machine's own.
    assert (first / "data/big").samefile(big(code))
    assert contents(first) == contents(mine)


def test_a_large_file_that_its_trial_replaced_removed_or_linked_is_left_to_nobody(code: Path) -> None:
    trials = [copy(code, name) for name in ("one", "two", "three", "four")]
    (trials[0] / "data/big").unlink()
    (trials[1] / "data/big").unlink()
    (trials[1] / "data/big").write_bytes(b"x" * BIG)
    os.link(trials[2] / "data/big", trials[2] / "kept")
    (trials[3] / "data/big").rename(trials[3] / "moved")
    (trials[3] / "data/big").symlink_to("moved")
    for trial in trials:
        leave_to_others(code, str(trial))
    assert spares(code) == []
    assert (trials[1] / "data/big").read_bytes() == b"x" * BIG


def test_a_copy_made_beforehand_is_taken(code: Path) -> None:
    stock(code, 1)
    (spare,) = spares(code)
    inode = (code / "spare" / spare).stat().st_ino
    assert (copy(code, "one") / "data/big").stat().st_ino == inode
    assert spares(code) == []


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two small files are many."""
    monkeypatch.setattr(working_copy, "_MANY", 1)


@pytest.mark.usefixtures("many")
def test_many_small_files_are_written_while_an_earlier_trial_runs(mine: Path, code: Path) -> None:
    copy(code, "one")
    for _ in range(2):
        restock(code)
    (spare,) = spares(code)
    inode = (code / "spare" / spare / "train.py").stat().st_ino
    second, third = copy(code, "two"), copy(code, "three")
    assert (second / "train.py").stat().st_ino == inode
    assert spares(code) == []
    (second / "train.py").write_text("changed")
    assert contents(third) == contents(mine)
    restock(code)
    assert contents(copy(code, "four")) == contents(mine)


@pytest.mark.usefixtures("many")
def test_many_small_files_are_written_beforehand_once_for_each_worker_that_starts(mine: Path, code: Path) -> None:
    stock(code, 2)
    stock(code, 2)
    assert len(spares(code)) == 4
    assert contents(copy(code, "one")) == contents(copy(code, "two")) == contents(mine)
    assert spares(code) == []


@pytest.mark.usefixtures("many")
def test_one_experiment_after_the_other_with_the_same_code_leaves_no_more_copies_than_one(code: Path) -> None:
    for experiment in range(3):
        for _ in range(2):
            stock(code, 2)
        trials = [copy(code, f"{experiment}-{trial}") for trial in range(2)]
        for trial in trials:
            leave_to_others(code, str(trial))
        assert sorted(name.partition("-")[0] for name in spares(code)) == ["0", "0"]
    stock(code, 2)
    stock(code, 2)
    stock(code, 2)
    assert sorted(name.partition("-")[0] for name in spares(code)) == ["0", "0", "small", "small"]


def test_what_a_killed_worker_left_half_made_goes_after_an_hour(code: Path) -> None:
    old, fresh, folder = code / "spare/0-1234.part", code / "spare/0-5678.part", code / "spare/small-1234.part"
    folder.mkdir(parents=True)
    for part in (old, fresh, folder / "train.py"):
        part.write_text("half")
    for part in (old, folder):
        os.utime(part, (time.time() - 3700,) * 2)
    stock(code, 1)
    assert spares(code) == ["0-5678.part"]


@pytest.mark.parametrize("many", [False, True])
def test_what_cannot_be_made_beforehand_leaves_nothing(code: Path, many: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(working_copy, "_MANY", 1 if many else 100)
    os.truncate(code / "pack", 3)
    restock(code)
    assert spares(code) == []


@pytest.mark.usefixtures("many")
def test_trials_whose_folder_is_on_another_disk_do_without_what_was_made_beforehand(
    mine: Path, code: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stock(code, 1)

    def to_another_disk(source: str, target: str) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link", source, None, target)

    monkeypatch.setattr(os, "rename", to_another_disk)
    assert contents(copy(code, "one")) == contents(mine)


def test_what_is_half_copied_is_not_taken(mine: Path, code: Path) -> None:
    (code / "spare").mkdir()
    (code / "spare/0-1234.part").write_text("half")
    (code / "spare/small-1234.part").mkdir()
    assert contents(copy(code, "one")) == contents(mine)


def test_a_full_disk_makes_a_large_file_read_only_instead(code: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: str, target: str, file: object) -> None:
        Path(target).touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(working_copy, "_copy_large", full)
    stock(code, 1)
    assert spares(code) == []
    assert (copy(code, "one") / "data/big").samefile(big(code))


def test_small_files_are_copied_large_ones_passed_on_and_huge_ones_linked() -> None:
    sizes = {"huge": 5 * 2**30, "tiny": 10, "data": 500 * 2**20}
    plan = decide(Manifest(tuple(Entry(path, "file", 0o644, size, content=path) for path, size in sizes.items())))
    assert [file.path for file in plan.copied] == ["tiny"]
    assert [file.path for file in plan.passed_on] == ["data"]
    assert [file.path for file in plan.linked] == ["huge"]


def test_code_that_has_lost_something_on_the_machine_is_an_error_and_no_empty_file(code: Path) -> None:
    os.truncate(code / "pack", 3)
    with pytest.raises(OSError, match="the machine's copy of the code has lost"):
        copy(code, "one")
