"""Unpacks an archive into a folder of ours on a machine: whole or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
import tarfile
from typing import IO, Any


def main(arguments: dict[str, Any], stream: IO[bytes]) -> str:
    """Unpack the tar archive of SIZE bytes on `stream` into ~/.ray-nni/KIND/NAME; return the folder's path."""
    os.umask(0o077)
    root = os.path.join(os.path.expanduser("~"), ".ray-nni")
    os.makedirs(root, mode=0o700, exist_ok=True)
    os.chmod(root, 0o700)
    target = os.path.join(root, arguments["kind"], arguments["name"])
    if os.path.isdir(target):
        return target
    part = f"{target}.part-{secrets.token_hex(4)}"
    os.makedirs(part, mode=0o700)
    try:
        counted: Any = _Counted(stream)
        with tarfile.open(fileobj=counted, mode="r|*") as archive:
            if hasattr(tarfile, "tar_filter"):
                archive.extraction_filter = tarfile.tar_filter
            archive.extractall(part)
        # To tarfile an archive that was cut off between two files, or in a header, is a shorter archive.
        counted.read_all()
        if counted.size != arguments["size"]:
            raise EOFError(f"of {arguments['size']} bytes only {counted.size} arrived")
        os.rename(part, target)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        # Somebody else's upload of the same content may have come first.
        if not os.path.isdir(target):
            raise
    return target


class _Counted:
    """A stream that knows how much was read from it."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.size = 0

    def read(self, size: int = -1) -> bytes:
        part = self._stream.read(size)
        self.size += len(part)
        return part

    def read_all(self) -> None:
        while self.read(2**16):
            pass
