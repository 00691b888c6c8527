"""The files of a code as they go from the head to other machines: those that are here, and those still on their way.

A file that arrives is passed on as it grows, so that the last machine has it hardly later than the head.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from ray_remote_nni.trial.arriving import Arriving, arriving
from ray_remote_nni.trial.code import code_folder, has_code, manifest_file
from ray_remote_nni.trial.manifest import Entry, Manifest, read_manifest

_T = TypeVar("_T")
_POLL_S = 0.005
#: How often it is looked whether the code has come, or nobody brings it any more.
_LOOK_S = 0.1
#: Whoever brings code says where to long before.
_UNSAID_S = 10.0


class OutgoingCode:
    """The code of a name on this machine. Raises FileNotFoundError where it is not here, and nobody brings it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._coming: Arriving | None = None
        until = time.monotonic() + _UNSAID_S
        while (manifest := self._find()) is None:
            if time.monotonic() > until:
                raise FileNotFoundError(f"the code {name} does not come to this machine")
            time.sleep(_POLL_S)
        self.manifest: Manifest = manifest

    def files(self, digests: Sequence[str]) -> Iterator[OutgoingFile]:
        """Yield these files in this order, each open until the next is asked for."""
        entries = self.manifest.files()
        for digest in digests:
            entry = entries[digest]
            descriptor = self.wait_for(lambda entry=entry: self._open(entry))  # type: ignore[misc]
            try:
                yield OutgoingFile(self, entry, descriptor)
            finally:
                os.close(descriptor)

    @property
    def is_here(self) -> bool:
        """Tell whether all of it has come."""
        return self._coming is None

    def wait_for(self, look: Callable[[], _T | None]) -> _T:
        """Return what `look` finds as soon as it does. Raises EOFError where the code does not come any more."""
        looked = time.monotonic()
        while (found := look()) is None:
            time.sleep(_POLL_S)
            if time.monotonic() - looked > _LOOK_S:
                looked = time.monotonic()
                self._look_again()
        return found

    def _find(self) -> Manifest | None:
        """Return the manifest; None where it cannot be told yet."""
        self._folder = code_folder(self._name)
        self._coming = None if has_code(self._name) else arriving(self._name)
        if self._coming is None and not has_code(self._name):
            raise FileNotFoundError(f"the code {self._name} is not on this machine")
        if self._coming is not None:
            if self._coming.folder is None:
                return None
            self._folder = self._coming.folder
        try:
            return read_manifest(manifest_file(self._folder).read_bytes())
        except FileNotFoundError:
            return None  # it has just become whole, and has moved

    def _look_again(self) -> None:
        if self._coming is None or has_code(self._name):
            self._folder, self._coming = code_folder(self._name), None
        elif arriving(self._name) != self._coming and not has_code(self._name):
            raise EOFError(f"the code {self._name} broke off on its way")

    def _open(self, entry: Entry) -> int | None:
        """Return the descriptor of a file that can be sent as far as it has come; None where there is none yet."""
        path = f"{self._folder}/{entry.path}"
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            if self._coming is None:
                raise
            return None
        resumed = self._coming is not None and entry.content in self._coming.resumed
        if resumed and os.fstat(descriptor).st_mtime_ns != entry.mtime_ns:
            os.close(descriptor)
            return None
        return descriptor


class OutgoingFile:
    """An open file of `size` bytes, or that shall have so many. `descriptor` is for reading on, from its start."""

    def __init__(self, code: OutgoingCode, entry: Entry, descriptor: int) -> None:
        self._code = code
        self._path = entry.path
        self.size = entry.size
        self.descriptor = descriptor

    def arrived(self, start: int) -> int:
        """Wait for bytes after `start`; return how many there are. Raises EOFError where none will come."""
        if self._code.is_here:
            return self.size - start
        return self._code.wait_for(lambda: self._new(start))

    def parts(self, most: int) -> Iterator[bytes]:
        """Yield the content in parts of at most so many bytes. Raises EOFError where it ends early."""
        left = self.size
        while left:
            part = os.read(self.descriptor, min(self.arrived(self.size - left), most))
            if not part:
                raise self.shortened()
            yield part
            left -= len(part)

    def shortened(self) -> EOFError:
        """Return the error for a file that has lost some of what it had."""
        return EOFError(f"{self._path} has become shorter")

    def _new(self, start: int) -> int | None:
        if self._code.is_here:
            return self.size - start
        return max(0, min(os.fstat(self.descriptor).st_size, self.size) - start) or None


def in_chunks(files: Iterable[OutgoingFile], size: int) -> Iterator[bytes]:
    """Yield what the files hold, one after the other, in chunks of about so many bytes: small ones go together."""
    waiting = bytearray()
    for file in files:
        for part in file.parts(size):
            waiting += part
            if len(waiting) >= size:
                yield bytes(waiting)
                waiting.clear()
    if waiting:
        yield bytes(waiting)
