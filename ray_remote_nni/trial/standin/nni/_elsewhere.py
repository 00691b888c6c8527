"""Where Python would find an `nni` that is not this stand-in."""

import os
import sys
from importlib.machinery import PathFinder


def path_to_real_nni():
    """Return sys.path without any stand-in if a real `nni` is found there, else None.

    All finders of the process are asked, since an editable installation brings one of its own. A folder that
    just happens to be called `nni` (a namespace package to Python) is not a real one.
    """
    path = [entry for entry in sys.path if not _is_standin(os.path.join(entry or os.curdir, "nni"))]
    for finder in sys.meta_path:
        find_spec = getattr(finder, "find_spec", None)
        if find_spec is None:
            continue
        # Only PathFinder may be given a path: to the others it would say that a submodule is wanted.
        spec = find_spec("nni", path if finder is PathFinder else None)
        if spec is not None and spec.has_location and not _is_standin(os.path.dirname(spec.origin)):
            return path
    return None


def _is_standin(folder):
    """Whether `folder` holds a stand-in: this one, or a copy of it that another experiment's trial has
    brought."""
    return os.path.isfile(os.path.join(folder, "_elsewhere.py"))
