"""The trial code directory on its way to the head: of each file the digest, and the content where that is missing."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import zlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from ray_remote_nni.cluster.transport import Stream
from ray_remote_nni.errors import MachineError, UsageError
from ray_remote_nni.experiment.code_files import code_files, holds_password
from ray_remote_nni.experiment.digests import Digests
from ray_remote_nni.experiment.head import Head
from ray_remote_nni.trial.digest import BINARY, content_digest, file_digest, read_small
from ray_remote_nni.trial.layout import Layout, Piece, layout_of
from ray_remote_nni.trial.manifest import Entry, Manifest
from ray_remote_nni.words import last_line

_RECEIVE = "ray_remote_nni.experiment.receive_code"
_CHUNK_BYTES = 2**20
#: Files up to the first size that are read for their digests are not read again to be sent, up to the second in all.
_SMALL_BYTES, _KEPT_BYTES = 2**18, 32 * 2**20
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
    """What there is to upload. `left_out` are the files that stay here since a password is written out in them.

    `read` has, by digest, contents as they were when it was looked at.
    """

    directory: Path
    manifest: Manifest
    left_out: tuple[str, ...] = ()
    read: Mapping[str, bytes] = field(default_factory=dict, repr=False)

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
    contents = _Contents()
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
                digest = digests.digest(path, status, partial(contents.digest, found.path, status.st_size))
                entries.append(Entry(path, "file", mode, status.st_size, status.st_mtime_ns, digest))
    except OSError as error:
        raise UsageError(
            f"trialCodeDirectory: {error.filename} cannot be read: {error.strerror}. "
            "Make it readable, or name it in .nniignore."
        ) from error
    digests.save()
    return Code(directory, Manifest(tuple(entries)), tuple(left_out), contents.read)


class _Contents:
    """Reads files for their digests, and keeps what small ones hold."""

    def __init__(self) -> None:
        self.read: dict[str, bytes] = {}
        self._room = _KEPT_BYTES

    def digest(self, path: str, size: int) -> str:
        if size > min(_SMALL_BYTES, self._room):
            return file_digest(path, size)
        content = read_small(path, size)
        digest = content_digest(content)
        if len(content) == size:
            self.read[digest] = content
            self._room -= size
        return digest


@asynccontextmanager
async def sending_code(code: Code, head: Head, progress: Callable[[Sent], None]) -> AsyncIterator[None]:
    """Within it what the head does not have yet of the code is on its way; after it the code is there as a whole.

    Where an earlier sending of the same broke off, this one goes on. Where it breaks off, nothing of it is used.

    Raises UsageError where a file has changed since it was read, MachineError where the head fails.
    """
    async with head.run(_RECEIVE) as stream:
        # Meanwhile a Python starts there.
        manifest = zlib.compress(code.manifest.to_json().encode(), 1)
        layout = layout_of(code.manifest)
        await stream.write(f"{len(manifest)}\n".encode() + manifest)
        missing = await _missing(stream)
        if missing is not None:
            sending = asyncio.ensure_future(_send(code, layout, missing, stream, progress))
            try:
                yield
                await sending
            finally:
                sending.cancel()
        exit_code, errors = await stream.wait()
    if exit_code != 0 or missing is None:
        said = last_line(errors, "no reason given")
        full = "No space left" in said or "quota" in said
        # 255: nobody says how it ended, the connection being lost.
        refusal = MachineError if exit_code == 255 else CodeNotTaken
        raise refusal(head.machine.host, f"it did not take the code: {said}.", _MAKE_ROOM if full else None)


async def send_code(code: Code, head: Head, progress: Callable[[Sent], None]) -> None:
    """Send what the head does not have yet of the code, and wait until it is there. Raises as `sending_code`."""
    async with sending_code(code, head, progress):
        pass


async def _missing(stream: Stream) -> list[Piece] | None:
    """Return what the head says that it lacks; None where it says nothing."""
    async with aclosing(stream.lines()) as lines:
        async for line in lines:
            if line.startswith(b'{"missing":'):
                return [Piece(*piece) for piece in json.loads(line)["missing"]]
    return None


async def _send(
    code: Code, layout: Layout, missing: list[Piece], stream: Stream, progress: Callable[[Sent], None]
) -> None:
    wanted = list(layout.within(missing))
    all_bytes = sum(piece.size for piece in missing)
    sent = Sent(0, all_bytes, 0, len(wanted))
    waiting = bytearray()
    for files, (entry, start) in enumerate(wanted):
        read = code.read.get(entry.content)
        parts = _contents(f"{code.directory}/{entry.path}", entry, start) if read is None else (read[start:],)
        for part in parts:
            # Many small files travel together.
            waiting += part
            if len(waiting) >= _CHUNK_BYTES:
                await stream.write(bytes(waiting))
                sent = Sent(sent.bytes + len(waiting), all_bytes, files, len(wanted))
                waiting.clear()
                progress(sent)
    await stream.write(bytes(waiting))
    stream.write_eof()
    progress(Sent(all_bytes, all_bytes, len(wanted), len(wanted)))


def _contents(path: str, entry: Entry, start: int) -> Iterator[bytes]:
    """Yield what the file holds from `start` on; it must still be what its digest was made of. Raises UsageError."""
    try:
        descriptor = os.open(path, os.O_RDONLY | BINARY)
        try:
            if _is_unchanged(descriptor, entry):
                left = entry.size - start
                if start:
                    os.lseek(descriptor, start, os.SEEK_SET)
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
