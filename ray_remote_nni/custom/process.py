"""The driver's end of somebody's tuner or assessor: a guarded process that answers one question at a time."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import select
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from ray_remote_nni.errors import RayNniError
from ray_remote_nni.guard.client import GuardedProcess, GuardLost, StartFailed

_WORKER = Path(__file__).parent / "worker.py"
Kind = Literal["tuner", "assessor"]


class AlgorithmFailed(RayNniError):
    """A tuner or assessor of the user's own raised an exception or died. `unfit`: perhaps in this Python only."""

    def __init__(self, who: str, what: str, where: str | None, log: Path, unfit: bool = False) -> None:
        at = f" ({where})" if where else ""
        super().__init__(f"{who} failed: {what}{at}. All that it said: ray-nni logs {log.stem} (on the head in {log})")
        self.unfit = unfit


class AlgorithmProcess:
    """The process, started; `call` may be used by one thread at a time, `close` by any.

    `environment` is what it inherits from the guard's machine turned into what it shall have. `folder` gets its log.
    Raises AlgorithmFailed where it cannot be started.
    """

    def __init__(
        self,
        who: str,
        guard_socket: str,
        python: str,
        folder: Path,
        environment: Callable[[Mapping[str, str]], Mapping[str, str]],
    ) -> None:
        self._who = who
        self._log = folder / f"{who.partition(' ')[0]}.log"
        self._buffer = b""
        pipes = [folder / f".{secrets.token_hex(4)}.{name}" for name in ("questions", "answers")]
        for pipe in pipes:
            os.mkfifo(pipe, 0o600)
        # Open at both ends, so that no order of opening blocks; the guard tells when the other side has gone.
        self._questions, self._answers = (os.open(pipe, os.O_RDWR | os.O_CLOEXEC) for pipe in pipes)
        self._pipes = pipes
        self._process: GuardedProcess | None = None
        try:
            self._process = GuardedProcess(guard_socket)
            self._process.start(
                f"{folder}/{pipes[0].name}",
                [python, str(_WORKER), *map(str, pipes)],
                cwd=folder,
                environment=environment(self._process.environment),
                stdout=self._log,
                stderr=self._log,
            )
        except (GuardLost, StartFailed) as error:
            self.close()
            raise AlgorithmFailed(who, str(error), None, self._log, unfit=True) from error

    def call(self, do: str, **arguments: Any) -> Any:
        """Ask, and return the answer. Raises AlgorithmFailed."""
        assert self._process is not None
        self._write(json.dumps({"do": do, "with": arguments}).encode() + b"\n")
        while b"\n" not in self._buffer:
            ready, _, _ = select.select([self._answers, self._process.fileno()], [], [])
            if self._answers in ready:
                self._buffer += os.read(self._answers, 2**16)
            else:
                raise self._death()
        for pipe in self._pipes:
            pipe.unlink(missing_ok=True)
        line, _, self._buffer = self._buffer.partition(b"\n")
        answer = json.loads(line)
        if "error" in answer:
            error = answer["error"]
            raise AlgorithmFailed(self._who, error["what"], error["where"], self._log, error["unfit"])
        return answer["result"]

    def stop(self) -> None:
        """Have the process ended, whatever it does; who waits for an answer is told."""
        if self._process is not None:
            with contextlib.suppress(GuardLost):
                self._process.stop()

    def close(self) -> None:
        """Let go of the process, which ends it; nobody may wait for an answer."""
        if self._process is not None:
            self._process.close()

    def _write(self, question: bytes) -> None:
        while question:
            question = question[os.write(self._questions, question) :]

    def _death(self) -> AlgorithmFailed:
        assert self._process is not None
        try:
            ended = self._process.wait(0)
            what = f"its process ended with exit code {ended.exit_code}" if ended is not None else "its process is gone"
        except (GuardLost, ValueError, OSError):
            what = "its process was ended"
        return AlgorithmFailed(self._who, what, None, self._log)
