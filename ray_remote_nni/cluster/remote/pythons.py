"""Looks for the Pythons of a machine, where people keep them, and for the private runtimes that were made there.

Runs in any Python 3.6 and up, as whatever is first on PATH may be.
"""

import glob
import json
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Dict, List, Optional, Tuple

_CONDA = (
    "~/miniconda3",
    "~/anaconda3",
    "~/miniforge3",
    "~/mambaforge",
    "~/micromamba",
    "~/.conda",
    "/opt/conda",
    "/opt/miniconda3",
    "/opt/anaconda3",
    "/opt/miniforge3",
)
_TIMEOUT_S = 20
_RECORD = "runtime.json"
#: Asks a Python for the version, for the executable that environments are made with, and for what a runtime needs of
#: its standard library, which distributors split and which a compiler without some headers leaves out.
_ASK = """
import json, sys
missing = []
for module in ("bz2", "ctypes", "lzma", "sqlite3", "ssl", "venv", "zlib"):
    try:
        __import__(module)
    except ImportError:
        missing.append(module)
path = getattr(sys, "_base_executable", None) or sys.executable
print(json.dumps({"path": path, "version": list(sys.version_info[:3]), "missing": missing}))
"""


def main(arguments: Dict[str, Any], stream: Any) -> Dict[str, Any]:
    """Return {"pythons": [...], "runtimes": [...]}, as `Prospects` has them; the best Pythons come first."""
    root = os.path.join(os.path.expanduser("~"), ".ray-nni", "runtime")
    with ThreadPoolExecutor(8) as pool:
        pythons: Dict[str, Any] = {}
        for found in pool.map(ask, candidates(arguments["python_path"])):
            if found is not None:
                pythons.setdefault(os.path.realpath(found["path"]), found)
        runtimes = [found for found in pool.map(runtime, sorted(glob.glob(os.path.join(root, "ray-*")))) if found]
    return {"pythons": list(pythons.values()), "runtimes": runtimes}


def candidates(python_path: Optional[str]) -> List[str]:
    """Return executables that may be Pythons of 3 or later, each file once."""
    versions = ["python3." + str(minor) for minor in range(13, 9, -1)]
    folders = [os.path.expanduser(python_path)] if python_path else []
    folders += os.environ.get("PATH", "").split(os.pathsep)
    found = [os.path.join(folder, name) for folder in folders for name in ["python3", "python", *versions]]
    pyenv = os.environ.get("PYENV_ROOT") or "~/.pyenv"
    uv = os.environ.get("UV_PYTHON_INSTALL_DIR") or "~/.local/share/uv/python"
    roots = [pyenv + "/versions/*", uv + "/*", "/opt/python*", "/opt/python/*"]
    found += [path for root in roots for path in glob.glob(os.path.expanduser(root) + "/bin/python3")]
    for folder in ("~/.local/bin", "/usr/local/bin", "/usr/bin"):
        found += [os.path.join(os.path.expanduser(folder), name) for name in versions]
    # Last: an environment of conda's goes when its owner has no use for it any more.
    for conda in _CONDA:
        for environment in ("", "/envs/*"):
            found += glob.glob(os.path.expanduser(conda) + environment + "/bin/python3")
    known: Dict[str, str] = {}
    for path in found:
        if os.path.isfile(path) and os.access(path, os.X_OK):
            known.setdefault(os.path.realpath(path), path)
    return list(known.values())


def ask(path: str) -> Optional[Dict[str, Any]]:
    """Return what a Python says of itself; None where it is none, or too old to be asked."""
    try:
        done = subprocess.run(
            [path, "-I", "-S", "-c", _ASK],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_TIMEOUT_S,
        )
        found = json.loads(done.stdout.decode().strip().splitlines()[-1])
    except (OSError, ValueError, IndexError, subprocess.TimeoutExpired):
        return None
    usable = isinstance(found, dict) and os.access(found["path"], os.X_OK)
    return found if usable else None


def runtime(folder: str) -> Optional[Dict[str, Any]]:
    """Return a private runtime that is whole and whose Python still runs; None for another."""
    try:
        with open(os.path.join(folder, _RECORD)) as file:
            known = json.load(file)
    except (OSError, ValueError):
        return None
    executable = os.path.join(folder, "bin", "python")
    if not whole(folder, known) or ask(executable) is None:
        return None
    return {"name": os.path.basename(folder), "executable": executable}


def whole(folder: str, known: Dict[str, Any]) -> bool:
    """Tell whether all files that a runtime was made with are there, by their number and size."""
    files, size = measure(folder)
    return files >= int(known["files"]) and size >= int(known["bytes"])


def measure(folder: str) -> Tuple[int, int]:
    """Return the number of files in a folder and their size, but for the record and what Python compiles as it goes."""
    files = size = 0
    for path, folders, names in os.walk(folder):
        if "__pycache__" in folders:
            folders.remove("__pycache__")
        for name in set(names) - {_RECORD}:
            files += 1
            size += os.lstat(os.path.join(path, name)).st_size
    return files, size
