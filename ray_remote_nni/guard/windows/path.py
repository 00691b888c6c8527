"""The folders of a Python that belong on PATH."""

from __future__ import annotations

from pathlib import PureWindowsPath


def windows_path_folders(python_path: str) -> list[str]:
    """Return them for the folder with a Python's executable, in the order in which `conda activate` has them.

    Those that a Python without conda does not have do no harm.
    """
    folder = PureWindowsPath(python_path)
    below = ("Library/mingw-w64/bin", "Library/usr/bin", "Library/bin", "Scripts", "bin")
    return [str(folder), *(str(folder / name) for name in below)]
