"""Tells what was said last in some files, for a person to read."""

import os


def main(arguments, stream):
    """Return the last lines of the files in `arguments["files"]` that are there, all together, in their order."""
    found = []
    for path in arguments["files"]:
        try:
            with open(path, "rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - 16384))
                found += file.read().decode(errors="replace").splitlines()
        except OSError:
            pass
    return found[-40:]
