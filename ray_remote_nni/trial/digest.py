"""What names the content of a file: a digest that two different contents do not share."""

from __future__ import annotations

import hashlib
import os
import threading
from concurrent.futures import ThreadPoolExecutor

_PART_BYTES = 8 * 2**20
#: On Windows a file is text otherwise.
BINARY = getattr(os, "O_BINARY", 0)


def file_digest(path: str, size: int) -> str:
    """Return the digest of a file of so many bytes; a large one's is that of its parts' digests, made side by side.

    It is SHA-256, which today's processors do faster than any other. Raises OSError.
    """
    descriptor = os.open(path, os.O_RDONLY | BINARY)
    try:
        if size < _PART_BYTES:
            return hashlib.sha256(os.read(descriptor, size)).hexdigest()
        with open(descriptor, "rb", buffering=0, closefd=False) as file, ThreadPoolExecutor(os.cpu_count()) as pool:
            reading = threading.Lock()

            def part(start: int) -> bytes:
                with reading:
                    file.seek(start)
                    content = file.read(_PART_BYTES)
                return hashlib.sha256(content).digest()

            digests = b"".join(pool.map(part, range(0, size, _PART_BYTES)))
        return hashlib.sha256(digests + size.to_bytes(8, "big")).hexdigest()
    finally:
        os.close(descriptor)
