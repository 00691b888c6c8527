"""Starts a node on its own machine: folders, secrets, then the guard with Ray as its daemons.

Its environment holds RAY_NNI_NODE, the node's folder: the mark of everything that the guard starts.
"""

from __future__ import annotations

import io
import json
import os
import stat
import sys
from pathlib import Path
from typing import Any

from ray_remote_nni.guard import start as guard_start
from ray_remote_nni.guard.windows import start as windows_start
from ray_remote_nni.guard.windows.path import windows_path_folders

#: In the environment of every process of a node, with the node's folder as its value.
NODE_MARK = "RAY_NNI_NODE"


def main() -> None:
    """Read the node's plan and its secret files from standard input; print what the guard's start prints."""
    asked: dict[str, Any] = json.load(sys.stdin)
    # All that we write is for its owner's eyes; what a trial writes is the trial's affair.
    umask = os.umask(0o077)
    directory, temp_dir = Path(asked["directory"]), Path(asked["temp_dir"])
    if temp_dir != directory:
        _make_private(temp_dir)
    for folder in (Path.home() / ".ray-nni", directory, Path(asked["environment"]["TMPDIR"])):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
    if asked["python_link"]:
        link, target = map(Path, asked["python_link"])
        link.unlink(missing_ok=True)
        link.symlink_to(target)
    for name, text in asked["secrets"].items():
        descriptor = os.open(directory / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
    # For whoever must find this node when all else is forgotten.
    mark = {name: asked[name] for name in ("owner", "directory", "temp_dir", "python") if name in asked}
    (directory / "owner.json").write_text(json.dumps(mark))
    # Somebody's own settings for another Ray must not reach this one; who logged in is nobody's business.
    for name in [name for name in os.environ if name.startswith(("RAY_", "SSH_"))]:
        if name != NODE_MARK:
            del os.environ[name]
    settings = {
        "directory": str(directory),
        "socket": asked["guard_socket"],
        "daemon_argv": [asked["ray_python"], "-m", "ray.scripts.scripts", "start", *asked["ray_arguments"]],
        # The facts about their Python were told without these (-E), and hold without them only. Trials have them.
        "daemon_environment": {name: None for name in os.environ if name.startswith("PYTHON")} | asked["environment"],
        "essential": ["raylet", "gcs_server"],
        "umask": umask,
    }
    sys.stdin = io.StringIO(json.dumps(settings))
    if sys.platform == "win32":
        # Whoever runs conda's Python without its environment has its libraries on PATH all the same.
        os.environ["PATH"] = os.pathsep.join(
            [*windows_path_folders(str(Path(asked["python"]).parent)), os.environ["PATH"]]
        )
        windows_start.main()
    else:
        guard_start.main()


def _make_private(folder: Path) -> None:
    """Make a folder where everybody may make some, such as /tmp, and make sure that it is nobody else's."""
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            sys.exit(f"{folder} is there already, and belongs to somebody else")
        folder.chmod(0o700)
    except OSError as error:
        sys.exit(f"{folder} cannot be made there ({error.strerror}); make {folder.parent} writable, or room in it")
