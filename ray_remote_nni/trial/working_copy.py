"""A trial's own copy of the code, cheap to make: every file of it is the trial's to change, and no trial meets another.

Where the file system can share blocks, all files are such copies. Elsewhere small files are copied, and a large one
goes from hand to hand: a trial that ends without having changed it leaves it to the next, and keeps a read-only link.
So there are as many copies of a large file as trials run at once, and a start costs a rename. What is beyond
`_PRIVATE_BYTES` is not copied at all: each trial has a link to the one file on the machine, which is read-only.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ray_remote_nni.trial.digest import BINARY
from ray_remote_nni.trial.manifest import Entry

#: Files up to this size are copied anew for each trial, the smallest first, up to so many bytes together.
_SMALL_BYTES, _COPIED_BYTES = 2**20, 32 * 2**20
#: So much of the code, the smallest files first, is each trial's own to change.
_PRIVATE_BYTES = 4 * 2**30
#: So much of the small files is kept in memory, ready to be written.
_REMEMBERED_BYTES = 4 * 2**20
_FICLONE = 0x40049409


def large_files(entries: Iterable[Entry]) -> set[str]:
    """Return the paths of the files that are too large to be copied for each trial.

    The machine's own are read-only, since trials may get links to them.
    """
    large, together = set(), 0
    for entry in sorted((e for e in entries if e.kind == "file"), key=lambda entry: entry.size):
        together += entry.size
        if entry.size > _SMALL_BYTES or together > _COPIED_BYTES:
            large.add(entry.path)
    return large


@dataclass(frozen=True)
class _File:
    path: str
    mode: int
    size: int
    mtime_ns: int
    #: None where it is read when it is needed.
    content: bytes | None = None


@dataclass(frozen=True)
class _Plan:
    folders: tuple[tuple[str, int], ...]
    links: tuple[tuple[str, str], ...]
    copied: tuple[_File, ...]
    passed_on: tuple[_File, ...]
    linked: tuple[_File, ...]


def make_working_copy(code: Path, target: str) -> None:
    """Make a trial's copy of the folder `code`, which nobody changes, at `target`, which is not there yet."""
    plan = _plan(str(code))
    os.mkdir(target)
    for path, mode in plan.folders:
        os.mkdir(f"{target}/{path}", mode)
    for file in plan.copied:
        _copy_small(f"{code}/{file.path}", f"{target}/{file.path}", file)
    for path, content in plan.links:
        os.symlink(content, f"{target}/{path}")
    for number, file in enumerate(plan.passed_on):
        _take(number, file, code, f"{target}/{file.path}")
    for file in plan.linked:
        source = f"{code}/{file.path}"
        if not _clone(source, f"{target}/{file.path}", file):
            os.link(source, f"{target}/{file.path}")


def leave_to_others(code: Path, target: str) -> None:
    """After the end of the trial at `target`: let the next have the large files that it did not change."""
    for number, file in enumerate(_plan(str(code)).passed_on):
        path = f"{target}/{file.path}"
        with contextlib.suppress(OSError):
            if _is_untouched(path, file):
                link = f"{path}.{secrets.token_hex(4)}"
                os.link(f"{code}/{file.path}", link)
                os.rename(path, _spare(code, number))
                os.rename(link, path)


def stock(code: Path) -> None:
    """Make one copy of the large files beforehand, for a trial to come."""
    for number, file in enumerate(_plan(str(code)).passed_on):
        spare = _spare(code, number)
        part = f"{spare}.part"
        with contextlib.suppress(OSError):
            try:
                _copy_large(f"{code}/{file.path}", part, file)
                os.rename(part, spare)
            except OSError:
                os.unlink(part)
                raise


def _take(number: int, file: _File, code: Path, target: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir(f"{code}.spare"):
            if name.startswith(f"{number}-") and not name.endswith(".part"):
                with contextlib.suppress(FileNotFoundError):
                    os.rename(f"{code}.spare/{name}", target)
                    return
    source = f"{code}/{file.path}"
    if _clone(source, target, file):
        return
    try:
        _copy_large(source, target, file)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        # Better a file that cannot be changed than no trial.
        os.unlink(target)
        os.link(source, target)


def _spare(code: Path, number: int) -> str:
    folder = f"{code}.spare"
    with contextlib.suppress(FileExistsError):
        os.mkdir(folder, 0o700)
    return f"{folder}/{number}-{secrets.token_hex(4)}"


def _is_untouched(path: str, file: _File) -> bool:
    now = os.lstat(path)
    return (
        stat.S_ISREG(now.st_mode)
        and now.st_nlink == 1
        and now.st_size == file.size
        and now.st_mtime_ns == file.mtime_ns
        and stat.S_IMODE(now.st_mode) == file.mode
    )


def _copy_small(source: str, target: str, file: _File) -> None:
    content = file.content
    if content is None:
        with open(source, "rb", buffering=0) as reading:
            content = reading.read()
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | BINARY, 0o600)
    try:
        while content:
            content = content[os.write(descriptor, content) :]
        if sys.platform != "win32":
            os.fchmod(descriptor, file.mode)
            os.utime(descriptor, ns=(file.mtime_ns, file.mtime_ns))
    finally:
        os.close(descriptor)
    if sys.platform == "win32":
        _finish(target, file)


def _copy_large(source: str, target: str, file: _File) -> None:
    shutil.copyfile(source, target)
    _finish(target, file)


def _clone(source: str, target: str, file: _File) -> bool:
    """Make a copy that shares its blocks with the source; tell whether the file system can do that."""
    if file.size == 0 or sys.platform == "win32":
        return False
    import fcntl

    try:
        with open(source, "rb") as reading, open(target, "xb") as writing:
            fcntl.ioctl(writing.fileno(), _FICLONE, reading.fileno())
    except OSError:
        os.unlink(target)
        return False
    _finish(target, file)
    return True


def _finish(target: str, file: _File) -> None:
    os.chmod(target, file.mode)
    os.utime(target, ns=(file.mtime_ns, file.mtime_ns))


@lru_cache(maxsize=4)
def _plan(code: str) -> _Plan:
    """Look at the code once in the life of a worker: nobody changes it."""
    return decide(list(_scan(code, "")), lambda path: Path(code, path).read_bytes())


def decide(entries: list[Entry], read: Callable[[str], bytes]) -> _Plan:
    """Decide for each file how a trial gets it; `read` returns the content of a small one."""
    copied: list[_File] = []
    passed_on: list[_File] = []
    linked: list[_File] = []
    large = large_files(entries)
    together = 0
    for entry in sorted((e for e in entries if e.kind == "file"), key=lambda entry: entry.size):
        together += entry.size
        if entry.path not in large:
            content = read(entry.path) if together <= _REMEMBERED_BYTES else None
            copied.append(_File(entry.path, entry.mode, entry.size, entry.mtime_ns, content))
        else:
            # The trial's own may be written to.
            file = _File(entry.path, entry.mode | 0o200, entry.size, entry.mtime_ns)
            (passed_on if together <= _PRIVATE_BYTES else linked).append(file)
    return _Plan(
        folders=tuple((e.path, e.mode | 0o700) for e in entries if e.kind == "folder"),
        links=tuple((e.path, e.content) for e in entries if e.kind == "link"),
        copied=tuple(copied),
        passed_on=tuple(passed_on),
        linked=tuple(linked),
    )


def _scan(code: str, below: str) -> Iterator[Entry]:
    """Yield every path below `code`, each folder before what is in it."""
    with os.scandir(f"{code}/{below}") as found:
        for item in sorted(found, key=lambda item: item.name):
            path, status = f"{below}{item.name}", item.stat(follow_symlinks=False)
            mode = stat.S_IMODE(status.st_mode)
            if item.is_symlink():
                yield Entry(path, "link", content=os.readlink(item.path))
            elif item.is_dir():
                yield Entry(path, "folder", mode)
                yield from _scan(code, f"{path}/")
            elif item.is_file():
                yield Entry(path, "file", mode, status.st_size, status.st_mtime_ns)
