"""The files of a code as they go from the head to other machines: those that are here, and those still on their way.

A file that arrives is passed on as it grows, so that the last machine has it hardly later than the head.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from ray_remote_nni.trial.code import arriving, code_folder, has_code, part_folder
from ray_remote_nni.trial.layout import MANIFEST, Piece

_T = TypeVar("_T")
_POLL_S = 0.005
#: How often it is looked whether the code has come, or nobody brings it any more.
_LOOK_S = 0.1
#: Whoever brings code has its manifest there long before.
_UNSAID_S = 10.0


class OutgoingCode:
    """The code of a name on this machine. Raises FileNotFoundError where it is not here, and nobody brings it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.is_here = False
        self._begun_ns = 0
        until = time.monotonic() + _UNSAID_S
        while (manifest := self._find()) is None:
            if time.monotonic() > until:
                raise FileNotFoundError(f"the code {name} does not come to this machine")
            time.sleep(_POLL_S)
        #: Its text.
        self.manifest: bytes = manifest

    def pieces(self, pieces: Iterable[Piece]) -> Iterator[OutgoingPiece]:
        """Yield these pieces of the code's files, each open until the next is asked for."""
        for piece in pieces:
            descriptor = self.wait_for(lambda file=piece.file: self._open(file))  # type: ignore[misc]
            try:
                yield OutgoingPiece(self, piece, descriptor)
            finally:
                os.close(descriptor)

    def wait_for(self, look: Callable[[], _T | None]) -> _T:
        """Return what `look` finds as soon as it does. Raises EOFError where the code does not come any more."""
        looked = time.monotonic()
        while (found := look()) is None:
            time.sleep(_POLL_S)
            if time.monotonic() - looked > _LOOK_S:
                looked = time.monotonic()
                self._look_again()
        return found

    def _find(self) -> bytes | None:
        """Return the manifest; None where it cannot be told yet."""
        self.is_here = has_code(self._name)
        if not self.is_here and not arriving(self._name) and not has_code(self._name):
            raise FileNotFoundError(f"the code {self._name} is not on this machine")
        try:
            if self.is_here:
                return (code_folder(self._name) / MANIFEST).read_bytes()
            self._begun_ns = self._time_of_manifest()
            return (part_folder(self._name) / MANIFEST).read_bytes()
        except FileNotFoundError:
            return None  # it is not there yet, or has just become whole, and has moved

    def _time_of_manifest(self) -> int:
        return (part_folder(self._name) / MANIFEST).stat().st_mtime_ns

    def _look_again(self) -> None:
        self.is_here = self.is_here or has_code(self._name)
        if not self.is_here:
            try:
                if arriving(self._name) and self._time_of_manifest() == self._begun_ns:
                    return
            except FileNotFoundError:
                pass
            self.is_here = has_code(self._name)
            if not self.is_here:
                raise EOFError(f"the code {self._name} broke off on its way")

    def _open(self, file: str) -> int | None:
        """Return the descriptor of a file that can be sent as far as it has come; None where there is none yet."""
        for folder in (part_folder(self._name), code_folder(self._name)):
            try:
                return os.open(folder / file, os.O_RDONLY)
            except FileNotFoundError:
                pass
        if self.is_here:
            raise FileNotFoundError(f"{file} of the code {self._name} is not on this machine any more")
        return None


class OutgoingPiece:
    """An open file, of which the bytes from `start` to `end` are to be sent, or will be when they have come."""

    def __init__(self, code: OutgoingCode, piece: Piece, descriptor: int) -> None:
        self._code = code
        self._file = piece.file
        self.start = piece.start
        self.end = piece.start + piece.size
        self.descriptor = descriptor

    def arrived(self, start: int) -> int:
        """Wait for bytes from `start` on; return how many there are. Raises EOFError where none will come."""
        return self._code.wait_for(lambda: self._new(start))

    def parts(self, most: int) -> Iterator[bytes]:
        """Yield the bytes in parts of at most so many. Raises EOFError where they end early."""
        start = self.start
        while start < self.end:
            part = os.pread(self.descriptor, min(self.arrived(start), most), start)
            if not part:
                raise self.shortened()
            yield part
            start += len(part)

    def shortened(self) -> EOFError:
        """Return the error for a file that has lost some of what it had."""
        return EOFError(f"{self._file} has become shorter")

    def _new(self, start: int) -> int | None:
        end = self.end if self._code.is_here else min(os.fstat(self.descriptor).st_size, self.end)
        return max(0, end - start) or None


def in_chunks(pieces: Iterable[OutgoingPiece], size: int) -> Iterator[bytes]:
    """Yield the bytes of the pieces, one after the other, in chunks of about so many: small pieces go together."""
    waiting = bytearray()
    for piece in pieces:
        for part in piece.parts(size):
            waiting += part
            if len(waiting) >= size:
                yield bytes(waiting)
                waiting.clear()
    if waiting:
        yield bytes(waiting)
