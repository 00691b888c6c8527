"""Prints files, after a mark; also what is added to them, until nobody writes to them any more."""

import os
import shutil
import sys
import threading
import time

_POLL_S = 0.2


def main(arguments, stream):
    """Write `arguments["mark"]` and the bytes of `arguments["files"]` to standard output; exit code 1 without a file.

    With `arguments["follow"]` go on while a process has one of them open to write, or until `stream` ends. A system
    without /proc does not tell the first.
    """
    try:
        files = [open(file, "rb") for file in arguments["files"]]  # noqa: SIM115
    except OSError as error:
        sys.exit(str(error))
    sys.stdout.buffer.write(arguments["mark"].encode())
    if arguments["follow"]:
        threading.Thread(target=_end_with, args=(stream,), daemon=True).start()
        writer = _writer(files)
        while writer is not None:
            if not _print(files):
                time.sleep(_POLL_S)
            # What was written last is read below.
            if not _writes(writer, _identities(files)):
                writer = _writer(files)
    _print(files)


def _print(files):
    """Print what the files have that was not printed yet; return whether there was something."""
    before = sum(file.tell() for file in files)
    for file in files:
        shutil.copyfileobj(file, sys.stdout.buffer)
    sys.stdout.buffer.flush()
    return sum(file.tell() for file in files) > before


def _end_with(stream):
    """End this process when nobody listens any more: without output it would not notice."""
    while os.read(stream.fileno(), 4096):
        pass
    os._exit(0)


def _identities(files):
    return {(status.st_dev, status.st_ino) for status in (os.fstat(file.fileno()) for file in files)}


def _writer(files):
    """Return a process that has one of the files open to write, and the number under which it has; None without."""
    if not os.path.isdir("/proc/self/fd"):
        return ()
    wanted = _identities(files)
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            numbers = os.listdir(f"/proc/{pid}/fd")
        except OSError:
            # Somebody else's, or gone meanwhile.
            continue
        for number in numbers:
            if _writes((pid, number), wanted):
                return pid, number
    return None


def _writes(writer, wanted):
    """Say whether a process still has one of the wanted files open to write, under this number."""
    if not writer:
        return True
    pid, number = writer
    try:
        status = os.stat(f"/proc/{pid}/fd/{number}")
        if (status.st_dev, status.st_ino) not in wanted:
            return False
        with open(f"/proc/{pid}/fdinfo/{number}") as file:
            flags = next(int(line.split()[1], 8) for line in file if line.startswith("flags:"))
    except OSError:
        return False
    return flags & os.O_ACCMODE != os.O_RDONLY
