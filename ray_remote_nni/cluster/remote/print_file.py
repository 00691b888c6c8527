"""Prints a file, after a mark."""

import shutil
import sys


def main(arguments, stream):
    """Write `arguments["mark"]` and the bytes of `arguments["file"]` to standard output; exit code 1 without a file."""
    try:
        with open(arguments["file"], "rb") as file:
            sys.stdout.buffer.write(arguments["mark"].encode())
            shutil.copyfileobj(file, sys.stdout.buffer)
            sys.stdout.buffer.flush()
    except OSError as error:
        sys.exit(str(error))
