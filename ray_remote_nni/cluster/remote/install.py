"""Unpacks an archive into a folder of ours on a machine: whole or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
import tarfile
from typing import IO, Any


def main(arguments: dict[str, Any], stream: IO[bytes]) -> str:
    """Unpack the tar archive on `stream` into ~/.ray-nni/KIND/NAME; return the folder's path."""
    root = os.path.join(os.path.expanduser("~"), ".ray-nni")
    os.makedirs(root, mode=0o700, exist_ok=True)
    os.chmod(root, 0o700)
    target = os.path.join(root, arguments["kind"], arguments["name"])
    if os.path.isdir(target):
        return target
    part = f"{target}.part-{secrets.token_hex(4)}"
    os.makedirs(part, mode=0o700)
    try:
        with tarfile.open(fileobj=stream, mode="r|*") as archive:
            if hasattr(tarfile, "tar_filter"):
                archive.extraction_filter = tarfile.tar_filter
            archive.extractall(part)
        os.rename(part, target)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        # Somebody else's upload of the same content may have come first.
        if not os.path.isdir(target):
            raise
    return target
