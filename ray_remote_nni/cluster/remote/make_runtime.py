"""Makes a private runtime on its machine: an environment with Ray, whole or not at all.

It is made in a folder beside its place, tried out, and renamed. Standard input stays open as long as somebody wants
it: at its end what is half made is removed again.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ray_remote_nni.cluster.remote.pythons import measure, runtime

#: Loads what `ray start` and its dashboard load, and tells what it got.
_TRY = "import ray, ray.scripts.scripts, ray.dashboard.optional_deps; print(ray.__version__)"
_TRY_TIMEOUT_S = 180.0
_PROBE_TIMEOUT_S = 25.0
_HEARTBEAT_S = 10.0
_LONGEST_WORD = 80
_PART = ".part-"


class Failed(Exception):
    """It could not be made; the message says why."""


def main() -> None:
    """Read a JSON object on one line; print lines {"said": TEXT}, then {"runtime": FOLDER} or {"failed": WHY}.

    Asked is {"name", "ray", "site", "pip"}: the folder's name, Ray's version, and either the folder with its
    packages, which is moved into the runtime, or that of a pip that shall install them from the machine's index.
    """
    # Without a buffer, whose lock the waiting thread would hold when Python ends.
    with open(0, "rb", buffering=0, closefd=False) as unbuffered:
        asked: dict[str, Any] = json.loads(unbuffered.readline())
    maker = _Maker(Path.home() / ".ray-nni" / "runtime", asked)
    threading.Thread(target=maker.give_up_with_the_client, daemon=True).start()
    try:
        _tell(runtime=str(maker.make()))
    except Failed as error:
        _tell(failed=str(error))
    except OSError as error:
        _tell(failed=f"{error.strerror}: {error.filename}")


def _tell(**message: str) -> None:
    with contextlib.suppress(OSError):
        print(json.dumps(message), flush=True)


class _Maker:
    def __init__(self, root: Path, asked: dict[str, Any]) -> None:
        self._root = root
        self._target: Path = root / asked["name"]
        self._ray: str = asked["ray"]
        self._site = Path(asked["site"]) if asked["site"] else None
        self._pip = asked["pip"]
        self._part: Path | None = None
        self._child: subprocess.Popen[bytes] | None = None

    def make(self) -> Path:
        """Return the runtime's folder. Raises Failed, OSError."""
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._alone():
            if runtime(str(self._target)) is not None:
                return self._target
            # Whoever began these has lost the lock, and so is gone.
            for leftover in self._root.glob(f"{_PART}*"):
                shutil.rmtree(leftover, ignore_errors=True)
            if self._site is None:
                self._look_into_index()
            self._part = Path(tempfile.mkdtemp(prefix=_PART, dir=self._root))
            try:
                self._fill(self._part)
                self._try(self._part)
                self._finish(self._part)
            finally:
                shutil.rmtree(self._part, ignore_errors=True)
        return self._target

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        with (self._root / ".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                _tell(said="another command is making it; waiting for that")
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _look_into_index(self) -> None:
        """Raise Failed where pip's index does not have this Ray; a machine without one must not wait for long."""
        looking = self._start_pip(self._root, "index", "versions", "ray", "--retries=0", "--timeout=8")
        try:
            printed, _ = looking.communicate(timeout=_PROBE_TIMEOUT_S)
        except subprocess.TimeoutExpired as error:
            self._end_child()
            raise Failed("no package index answers") from error
        if looking.returncode != 0:
            raise Failed("no package index is in reach")
        if self._ray not in printed.decode(errors="replace").replace(",", " ").split():
            raise Failed(f"its package index does not have Ray {self._ray}")

    def _fill(self, part: Path) -> None:
        venv.EnvBuilder(symlinks=True, with_pip=False).create(part)
        for script in part.glob("bin/[Aa]ctivate*"):
            script.unlink()  # they know where they were made, which is not where they end up
        site = next(part.glob("lib/python3*/site-packages"))
        if self._site is not None:
            site.rmdir()
            self._site.rename(site)
            return
        target = ("--target", str(site), "--no-compile", "--no-warn-conflicts", "--only-binary=:all:")
        installing = self._start_pip(part, "install", *target, f"ray[default]=={self._ray}")
        assert installing.stdout is not None
        said, last = time.monotonic(), ""
        for line in installing.stdout:
            last = line.decode(errors="replace").strip() or last
            if time.monotonic() - said > _HEARTBEAT_S:
                said = time.monotonic()
                _tell(said=f"pip: {last[:_LONGEST_WORD]}")
        if installing.wait() != 0:
            raise Failed(f"pip could not install it: {last}")

    def _start_pip(self, folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
        """Run pip with the user's own settings of where packages come from, and none of where they go to."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        environment |= {"PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0", "PIP_NO_INPUT": "1", "TMPDIR": str(folder)}
        environment |= {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_PROGRESS_BAR": "off"}
        for name in ("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT"):
            environment.pop(name, None)
        self._child = subprocess.Popen(
            [sys.executable, "-s", self._pip, *arguments, "--no-cache-dir"],
            env=environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        return self._child

    def _try(self, part: Path) -> None:
        trying = subprocess.run(
            [part / "bin/python", "-I", "-c", _TRY],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TRY_TIMEOUT_S,
            cwd=part,
        )
        if trying.returncode != 0:
            said = trying.stderr.decode(errors="replace").strip().splitlines()
            raise Failed(f"Ray cannot be loaded: {said[-1] if said else f'exit code {trying.returncode}'}")
        if (loaded := trying.stdout.decode().split()[-1]) != self._ray:
            raise Failed(f"it became Ray {loaded} instead of {self._ray}")

    def _finish(self, part: Path) -> None:
        files, size = measure(str(part))
        known = {"ray": self._ray, "python": list(sys.version_info[:3]), "files": files, "bytes": size}
        (part / "runtime.json").write_text(json.dumps(known))
        if self._target.exists():
            self._target.rename(self._root / f"{_PART}broken-{os.getpid()}")
        part.rename(self._target)
        shutil.rmtree(self._root / f"{_PART}broken-{os.getpid()}", ignore_errors=True)

    def give_up_with_the_client(self) -> None:
        """Wait for the end of standard input, then leave nothing behind."""
        while os.read(0, 1024):
            pass
        self._end_child()
        if self._part is not None:
            shutil.rmtree(self._part, ignore_errors=True)
        os._exit(1)

    def _end_child(self) -> None:
        if self._child is not None and self._child.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._child.pid, signal.SIGKILL)
