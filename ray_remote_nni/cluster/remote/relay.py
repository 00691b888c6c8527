"""Runs a program whose standard input and output are lines of base64 here: what is between us makes text of all else.

The first line read is the program's arguments, as JSON; an empty name is the Python that runs this. Ends with its exit
code.
"""

import base64
import json
import os
import subprocess
import sys
import threading
from typing import IO

MARK = "-- ray-nni relay --"


def main() -> None:
    """Relay until the program ends."""
    lines, out = sys.stdin.buffer, sys.stdout.buffer
    program, *arguments = json.loads(base64.b64decode(lines.readline()).decode())
    child = subprocess.Popen(
        [program or sys.executable, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    )
    assert child.stdin is not None
    assert child.stdout is not None
    threading.Thread(target=feed, args=(lines, child.stdin), daemon=True).start()
    out.write(("\n" + MARK + "\n").encode())
    out.flush()
    part = child.stdout.read(65536)
    while part:
        # Lines of 76 characters, which nobody breaks.
        out.write(base64.encodebytes(part))
        out.flush()
        part = child.stdout.read(65536)
    # The thread may wait for input, which would keep Python from ending.
    os._exit(child.wait())


def feed(lines: IO[bytes], target: IO[bytes]) -> None:
    """Hand on what arrives, until its end or the program's."""
    try:
        for line in lines:
            target.write(base64.b64decode(line))
        target.close()
    except OSError:
        pass


if __name__ == "__main__":
    main()
