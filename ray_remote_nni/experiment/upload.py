"""The trial code directory on its way to the head: of each file the digest, and the content where that is missing."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ray_remote_nni.cluster.transport import Stream
from ray_remote_nni.errors import MachineError, UsageError
from ray_remote_nni.experiment.code_files import code_files, holds_password
from ray_remote_nni.experiment.digests import Digests
from ray_remote_nni.experiment.head import Head
from ray_remote_nni.trial.digest import BINARY, file_digest
from ray_remote_nni.trial.manifest import Entry, Manifest
from ray_remote_nni.words import last_line

_RECEIVE = "ray_remote_nni.experiment.receive_code"
_CHUNK_BYTES = 2**20
_MAKE_ROOM = (
    "Make room on the disk of its ~/.ray-nni (ray-nni delete removes old experiments), or name in .nniignore what no "
    "trial needs."
)


@dataclass(frozen=True)
class Sent:
    """How much of an upload is done, and of how much: contents in bytes, and files."""

    bytes: int
    all_bytes: int
    files: int
    all_files: int


@dataclass(frozen=True)
class Code:
    """What there is to upload. `left_out` are the files that stay here since a password is written out in them."""

    directory: Path
    manifest: Manifest
    left_out: tuple[str, ...] = ()

    @property
    def sizes(self) -> dict[str, int]:
        """Return the bytes of each file, by its path."""
        return {entry.path: entry.size for entry in self.manifest.entries if entry.kind == "file"}


class CodeNotTaken(MachineError):
    """The head says that it did not take the code."""


def read_code(directory: Path, excluded: frozenset[Path] = frozenset()) -> Code:
    """Look at everything that is to be uploaded, and read what has changed since the last time. Raises UsageError.

    A link stays a link wherever it leads. Pipes, sockets and devices stay here.
    """
    entries: list[Entry] = []
    left_out: list[str] = []
    digests = Digests(directory)
    try:
        for path, found in code_files(directory, excluded):
            status = found.stat(follow_symlinks=False)
            mode = stat.S_IMODE(status.st_mode) & 0o777
            if found.is_symlink():
                entries.append(Entry(path, "link", content=os.readlink(found.path)))
            elif found.is_dir():
                entries.append(Entry(path, "folder", mode))
            elif stat.S_ISREG(status.st_mode):
                if path.lower().endswith((".yml", ".yaml")) and holds_password(Path(found.path)):
                    left_out.append(path)
                    continue
                digest = digests.digest(path, status, partial(file_digest, found.path, status.st_size))
                entries.append(Entry(path, "file", mode, status.st_size, status.st_mtime_ns, digest))
    except OSError as error:
        raise UsageError(
            f"trialCodeDirectory: {error.filename} cannot be read: {error.strerror}. "
            "Make it readable, or name it in .nniignore."
        ) from error
    digests.save()
    return Code(directory, Manifest(tuple(entries)), tuple(left_out))


@asynccontextmanager
async def sending_code(code: Code, head: Head, progress: Callable[[Sent], None]) -> AsyncIterator[None]:
    """Within it what the head does not have yet of the code is on its way; after it the code is there as a whole.

    Where an earlier sending of the same broke off, this one goes on. Where it breaks off, nothing of it is used.

    Raises UsageError where a file has changed since it was read, MachineError where the head fails.
    """
    manifest = zlib.compress(code.manifest.to_json().encode(), 1)
    async with head.run(_RECEIVE) as stream:
        await stream.write(f"{len(manifest)}\n".encode() + manifest)
        answer = await _answer(stream)
        if answer is not None:
            sending = asyncio.ensure_future(
                _send_files(code, answer["missing"], answer.get("begun", {}), stream, progress)
            )
            try:
                yield
                await sending
            finally:
                sending.cancel()
        exit_code, errors = await stream.wait()
    if exit_code != 0 or answer is None:
        said = last_line(errors, "no reason given")
        full = "No space left" in said or "quota" in said
        # 255: nobody says how it ended, the connection being lost.
        refusal = MachineError if exit_code == 255 else CodeNotTaken
        raise refusal(head.machine.host, f"it did not take the code: {said}.", _MAKE_ROOM if full else None)


async def send_code(code: Code, head: Head, progress: Callable[[Sent], None]) -> None:
    """Send what the head does not have yet of the code, and wait until it is there. Raises as `sending_code`."""
    async with sending_code(code, head, progress):
        pass


async def _answer(stream: Stream) -> dict[str, Any] | None:
    """Return what the head says that it lacks; None where it says nothing."""
    async with aclosing(stream.lines()) as lines:
        async for line in lines:
            if line.startswith(b'{"missing":'):
                answer: dict[str, Any] = json.loads(line)
                return answer
    return None


async def _send_files(
    code: Code, missing: list[str], begun: dict[str, int], stream: Stream, progress: Callable[[Sent], None]
) -> None:
    files = code.manifest.files()
    all_bytes = sum(files[digest].size - begun.get(digest, 0) for digest in missing)
    sent = Sent(0, all_bytes, 0, len(missing))
    waiting = bytearray()
    for number, digest in enumerate(missing, 1):
        entry = files[digest]
        for part in _contents(f"{code.directory}/{entry.path}", entry, begun.get(digest, 0)):
            # Many small files travel together.
            waiting += part
            if len(waiting) >= _CHUNK_BYTES:
                await stream.write(bytes(waiting))
                sent = Sent(sent.bytes + len(waiting), all_bytes, number - 1, len(missing))
                waiting.clear()
                progress(sent)
    await stream.write(bytes(waiting))
    stream.write_eof()
    progress(Sent(all_bytes, all_bytes, len(missing), len(missing)))


def _contents(path: str, entry: Entry, start: int) -> Iterator[bytes]:
    """Yield what the file holds from `start` on; it must still be what its digest was made of. Raises UsageError."""
    try:
        descriptor = os.open(path, os.O_RDONLY | BINARY)
        try:
            if _is_unchanged(descriptor, entry):
                left = entry.size - start
                if start:
                    os.lseek(descriptor, start, os.SEEK_SET)
                if not left:
                    return
                while part := os.read(descriptor, min(left, _CHUNK_BYTES)):
                    left -= len(part)
                    # The last part is held back until then: without it the file is not whole there.
                    if not left and not _is_unchanged(descriptor, entry):
                        break
                    yield part
                    if not left:
                        return
        finally:
            os.close(descriptor)
    except OSError as error:
        raise UsageError(f"trialCodeDirectory: {path} cannot be read any more: {error.strerror}.") from error
    raise UsageError(
        f"trialCodeDirectory: {path} changed while it was read. Run this again when nothing writes to it, or name it "
        "in .nniignore."
    )


def _is_unchanged(descriptor: int, entry: Entry) -> bool:
    now = os.fstat(descriptor)
    return (now.st_size, now.st_mtime_ns) == (entry.size, entry.mtime_ns)
