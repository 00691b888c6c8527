"""The client's mirror of an experiment: records that follow the head's, the output of its trials, and its logs."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ray_remote_nni.cluster.library import library_folder
from ray_remote_nni.cluster.module import run_module
from ray_remote_nni.cluster.state import ClusterState, MachineState
from ray_remote_nni.cluster.together import failures_of
from ray_remote_nni.cluster.transport import Transport
from ray_remote_nni.custom.process import Kind
from ray_remote_nni.errors import MachineError, NotFound, RayNniError
from ray_remote_nni.experiment.collect import ARCHIVE_MARK, OUTPUTS
from ray_remote_nni.experiment.head import Head
from ray_remote_nni.experiment.logs import fetch, own_kinds
from ray_remote_nni.experiment.registry import ExperimentEntry
from ray_remote_nni.paths import private_folder
from ray_remote_nni.records.changes import Change, apply_changes, last_rev
from ray_remote_nni.records.feed import read_line
from ray_remote_nni.records.model import ExperimentStatus
from ray_remote_nni.records.reader import RecordReader
from ray_remote_nni.words import last_line

#: What a login shell may print before the archive.
_LONGEST_NOISE = 2**20
_FEED = "ray_remote_nni.records.feed"
_COLLECT = "ray_remote_nni.experiment.collect"


@dataclass(frozen=True)
class Pulse:
    """A sign of life from the head: what the records say, and whether the experiment's driver runs.

    `requests` is how many there are that no driver has dealt with, other than to stop. `disk_full` says that no driver
    runs, and that there is no room for the records of one.
    """

    status: ExperimentStatus
    driver_alive: bool
    requests: int = 0
    disk_full: bool = False

    @property
    def running(self) -> bool:
        """Whether the experiment goes on, and somebody sees to it."""
        return self.status == "RUNNING" and self.driver_alive


class RecordsNotRead(RayNniError):
    """The head has records of the experiment that cannot be read, in its own words."""


def follow(entry: ExperimentEntry, head: Head) -> AsyncGenerator[Pulse, None]:
    """Keep the mirror's records up with the head's; yield a pulse after each burst of changes.

    Ends when the experiment has ended, or the head says no more. Raises MachineError where the connection is lost, and
    RecordsNotRead where there are records that say nothing. Close it: a process on the head feeds it.
    """
    return _feed(entry, head, "--follow")


async def catch_up(entry: ExperimentEntry, head: Head) -> Pulse | None:
    """Bring the mirror's records up to date once; None where the head has none of this experiment that can be read."""
    with contextlib.suppress(RecordsNotRead):
        return await read_on(entry, head)
    return None


async def read_on(entry: ExperimentEntry, head: Head) -> Pulse | None:
    """Do so, and return None where the head has none. Raises RecordsNotRead where they cannot be read."""
    latest = None
    async with aclosing(_feed(entry, head)) as pulses:
        async for pulse in pulses:
            latest = pulse
    return latest


async def _feed(entry: ExperimentEntry, head: Head, *arguments: str) -> AsyncGenerator[Pulse, None]:
    since = last_rev(entry.mirror) if entry.mirror.exists() else 0
    directory = head.experiment_directory(entry.experiment_id)
    told = False
    async with head.run(_FEED, directory, "--since", str(since), *arguments) as stream:
        burst: list[Change] = []
        async for line in stream.lines():
            if not line.startswith(b"{"):
                continue
            said = _said(line, head)
            if isinstance(said, Change):
                burst.append(said)
            elif "end" in said:
                if burst:
                    await asyncio.to_thread(apply_changes, entry.mirror, burst)
                    burst = []
                yield Pulse(said["status"], said["driverAlive"], said["requests"], said.get("diskFull", False))
                told = True
        if not told:
            code, errors = await stream.wait()
            if code == RayNniError.exit_code:
                raise RecordsNotRead(last_line(errors, "its records cannot be read"))


def _said(line: bytes, head: Head) -> Change | dict[str, Any]:
    try:
        return read_line(line)
    except ValueError as error:
        # To pass it over might be to miss a change.
        what = f"its records arrived garbled, at {line[:80]!r}."
        raise MachineError(head.machine.host, what) from error


async def pull_outputs(
    entry: ExperimentEntry, state: ClusterState, connect: Callable[[MachineState], Awaitable[Transport]]
) -> list[MachineError]:
    """Bring the output of all ended trials that is not here yet, and what a tuner of one's own said; return what went
    wrong, machine by machine.
    """
    if not entry.mirror.exists():
        return []
    missing: dict[str, list[str]] = {}
    with RecordReader(entry.mirror) as records:
        for trial in records.trials():
            if trial.ended and trial.machine and not (entry.trials_directory / trial.trial_id).is_dir():
                missing.setdefault(trial.machine, []).append(trial.trial_id)
        own = own_kinds(records.experiment().config)
    pulls = [
        _pull_from(entry, state, machine, missing[machine.label], connect)
        for machine in state.machines
        if machine.label in missing
    ]
    return await failures_of([*pulls, *(_pull_log(entry, state, kind, connect) for kind in own)])


async def _pull_log(
    entry: ExperimentEntry,
    state: ClusterState,
    kind: Kind,
    connect: Callable[[MachineState], Awaitable[Transport]],
) -> None:
    """Bring what a tuner or assessor said, if it came into being."""
    target = entry.log_directory / f"{kind}.log"
    try:
        private_folder(target.parent)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".part-") as folder:
            part = Path(folder, target.name)
            said = fetch(connect, state.head, entry.experiment_id, [f"log/{kind}.log"], f"the {kind}")
            with open(part, "xb", opener=_private) as writing:
                async with aclosing(said) as chunks:
                    async for chunk in chunks:
                        writing.write(chunk)
            os.replace(part, target)
    except NotFound:
        return
    except OSError as error:
        message = f"what the {kind} said could not be kept in {target.parent}: {error}"
        raise MachineError(state.head.label, message) from error


async def _pull_from(
    entry: ExperimentEntry,
    state: ClusterState,
    machine: MachineState,
    trial_ids: list[str],
    connect: Callable[[MachineState], Awaitable[Transport]],
) -> None:
    connection = await connect(machine)
    library = library_folder(machine.home, state.library)
    try:
        async with run_module(connection, machine.python, library, _COLLECT) as stream:
            await stream.write(json.dumps({"experiment": entry.experiment_id, "trials": trial_ids}).encode())
            stream.write_eof()
            with tempfile.TemporaryFile() as spool:
                while part := await stream.read(2**18):
                    spool.write(part)
                code, errors = await stream.wait()
                try:
                    await asyncio.to_thread(_unpack, spool, entry.trials_directory, trial_ids)
                except (OSError, EOFError, ValueError, tarfile.TarError) as error:
                    # What was cut off there has its reason there.
                    if code == 0:
                        raise MachineError(
                            machine.label, f"its trials' output could not be kept in {entry.trials_directory}: {error}"
                        ) from error
                if code != 0:
                    raise MachineError(
                        machine.label,
                        f"its trials' output could not be fetched: {last_line(errors, 'no reason given')}",
                    )
    finally:
        await connection.close()


def _unpack(spool: IO[bytes], target: Path, trial_ids: Collection[str]) -> None:
    """Unpack the archive of these trials' outputs, each trial's folder whole or not at all.

    Whatever else a machine may have put into it, links and other people's paths say, stays there.
    """
    spool.seek(0)
    spool.seek(spool.read(_LONGEST_NOISE).index(ARCHIVE_MARK) + len(ARCHIVE_MARK))
    private_folder(target)
    expected = {f"{trial_id}/{name}" for trial_id in trial_ids for name in OUTPUTS}
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".part-") as part:
        with tarfile.open(fileobj=spool, mode="r:*") as archive:
            for member in archive:
                content = archive.extractfile(member) if member.isreg() and member.name in expected else None
                if content is not None:
                    file = Path(part, member.name)
                    private_folder(file.parent)
                    with open(file, "xb", opener=_private) as writing:
                        shutil.copyfileobj(content, writing, 2**20)
        for folder in Path(part).iterdir():
            with contextlib.suppress(OSError):
                folder.rename(target / folder.name)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
