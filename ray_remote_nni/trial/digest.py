"""What names the content of a file: a digest that two different contents do not share."""

from __future__ import annotations

import hashlib
import os
import threading

_PART_BYTES = 8 * 2**20
#: On Windows a file is text otherwise.
BINARY = getattr(os, "O_BINARY", 0)


def content_digest(content: bytes) -> str:
    """Return the digest of a small file's content. It is SHA-256, which today's processors do faster than any other."""
    return hashlib.sha256(content).hexdigest()


def read_small(path: str, size: int) -> bytes:
    """Return the first bytes of a file, up to so many. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | BINARY)
    try:
        return os.read(descriptor, size)
    finally:
        os.close(descriptor)


def file_digest(path: str, size: int) -> str:
    """Return the digest of a file of so many bytes; a large one's is that of its parts' digests, made side by side.

    Raises OSError.
    """
    if size < _PART_BYTES:
        return content_digest(read_small(path, size))
    # Costs more to import than many codes to take.
    from concurrent.futures import ThreadPoolExecutor

    with open(path, "rb", buffering=0) as file, ThreadPoolExecutor(os.cpu_count()) as pool:
        reading = threading.Lock()

        def part(start: int) -> bytes:
            with reading:
                file.seek(start)
                content = file.read(_PART_BYTES)
            return hashlib.sha256(content).digest()

        digests = b"".join(pool.map(part, range(0, size, _PART_BYTES)))
    return hashlib.sha256(digests + size.to_bytes(8, "big")).hexdigest()
