"""A trial's own copy of the code, cheap to make: every file of it is the trial's to change, and no trial meets another.

Small files are written anew, out of the pack; where they are many, while an earlier trial runs: a disk that is busy, or
has just lost much, takes long over new files. Of large ones a copy shares the blocks where the file system can do that.
Elsewhere a large file goes from hand to hand: a trial that ends without having changed it leaves it to the next, and
keeps a read-only link. So there are as many copies of a large file as trials run at once, and a start costs a rename.
What is beyond `_PRIVATE_BYTES` is not copied at all: each trial has a link to the one file on the machine, which is
read-only.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import stat
import sys
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

from ray_remote_nni.trial.digest import BINARY
from ray_remote_nni.trial.layout import PACK, Piece, layout_of, manifest_in
from ray_remote_nni.trial.manifest import Manifest
from ray_remote_nni.trial.spares import count_spares, has_spare, make_spare, new_spare, remove_abandoned, take_spare

#: So much of the code, the smallest files first, is each trial's own to change.
_PRIVATE_BYTES = 4 * 2**30
_READ_BYTES = 2**20
#: More small files than these are many.
_MANY = 100
#: All small files together are a spare of this kind; a large one's is its number.
_SMALL = "small"
_FICLONE = 0x40049409


@dataclass(frozen=True)
class _File:
    path: str
    mode: int
    size: int
    mtime_ns: int
    #: Where it lies in the folder of the code.
    source: Piece


@dataclass(frozen=True)
class _Plan:
    folders: tuple[tuple[str, int], ...]
    links: tuple[tuple[str, str], ...]
    copied: tuple[_File, ...]
    passed_on: tuple[_File, ...]
    linked: tuple[_File, ...]


def make_working_copy(code: Path, target: str) -> None:
    """Make a trial's copy of the code in the folder `code` at `target`, which is not there yet."""
    plan = _plan(str(code))
    if not take_spare(code, _SMALL, target):
        _write_small_files(plan, code, target)
    for number, file in enumerate(plan.passed_on):
        _take(number, file, code, f"{target}/{file.path}")
    for file in plan.linked:
        source = f"{code}/{file.source.file}"
        if not _clone(source, f"{target}/{file.path}", file):
            os.link(source, f"{target}/{file.path}")


def leave_to_others(code: Path, target: str) -> None:
    """After the end of the trial at `target`: let the next have the large files that it did not change."""
    for number, file in enumerate(_plan(str(code)).passed_on):
        path = f"{target}/{file.path}"
        with contextlib.suppress(OSError):
            if _is_untouched(path, file):
                link = f"{path}.{secrets.token_hex(4)}"
                os.link(f"{code}/{file.source.file}", link)
                os.rename(path, new_spare(code, str(number)))
                os.rename(link, path)


def stock(code: Path, most: int) -> None:
    """Make one copy beforehand, for a trial to come, of what is costly: the large files, and the small if many.

    Not where there are `most` of it: each experiment with the code stocks, and a disk would fill up with them.
    """
    plan = _plan(str(code))
    remove_abandoned(code)
    for number, file in enumerate(plan.passed_on):
        if count_spares(code, str(number)) < most:
            make_spare(code, str(number), partial(_copy_large, f"{code}/{file.source.file}", file=file))
    if len(plan.copied) > _MANY and count_spares(code, _SMALL) < most:
        make_spare(code, _SMALL, partial(_write_small_files, plan, code))


def restock(code: Path) -> None:
    """While a trial runs: make a copy of the small files for the next, if they are many and none is there."""
    plan = _plan(str(code))
    if len(plan.copied) > _MANY and not has_spare(code, _SMALL):
        make_spare(code, _SMALL, partial(_write_small_files, plan, code))


def _write_small_files(plan: _Plan, code: Path, target: str) -> None:
    """Write all but the large files."""
    os.mkdir(target)
    for path, mode in plan.folders:
        os.mkdir(f"{target}/{path}", mode)
    with open(code / PACK, "rb", buffering=_READ_BYTES) as pack:
        for file in plan.copied:
            pack.seek(file.source.start)
            _write_small(f"{target}/{file.path}", pack.read(file.size), file)
    for path, content in plan.links:
        os.symlink(content, f"{target}/{path}")


def _take(number: int, file: _File, code: Path, target: str) -> None:
    if take_spare(code, str(number), target):
        return
    source = f"{code}/{file.source.file}"
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


def _is_untouched(path: str, file: _File) -> bool:
    now = os.lstat(path)
    return (
        stat.S_ISREG(now.st_mode)
        and now.st_nlink == 1
        and now.st_size == file.size
        and now.st_mtime_ns == file.mtime_ns
        and stat.S_IMODE(now.st_mode) == file.mode
    )


def _write_small(target: str, content: bytes, file: _File) -> None:
    if len(content) != file.size:
        raise OSError(f"the machine's copy of the code has lost {file.path}")
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
    return decide(manifest_in(Path(code)))


def decide(manifest: Manifest) -> _Plan:
    """Decide for each file how a trial gets it."""
    pieces = layout_of(manifest).pieces()
    files = [_File(e.path, e.mode, e.size, e.mtime_ns, pieces[e.content]) for e in manifest.entries if e.kind == "file"]
    copied = sorted((file for file in files if file.source.file == PACK), key=lambda file: file.source.start)
    passed_on: list[_File] = []
    linked: list[_File] = []
    together = sum(file.size for file in copied)
    for file in sorted((file for file in files if file.source.file != PACK), key=lambda file: file.size):
        together += file.size
        (passed_on if together <= _PRIVATE_BYTES else linked).append(file)
    return _Plan(
        folders=tuple((e.path, e.mode | 0o700) for e in manifest.entries if e.kind == "folder"),
        links=tuple((e.path, e.content) for e in manifest.entries if e.kind == "link"),
        copied=tuple(copied),
        passed_on=tuple(passed_on),
        linked=tuple(linked),
    )
