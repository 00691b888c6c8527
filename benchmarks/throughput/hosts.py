"""The same trials over test machines with real SSH servers, and how long `up` takes beside a bare `ray start`."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.throughput.bare import run_xargs
from benchmarks.throughput.command import Command
from benchmarks.throughput.measurement import HostsReport, RayStart, Session, load, take_turns
from benchmarks.throughput.trials import Workload, write_config

sys.path.append(str(Path(__file__).parents[2] / "tests/hosts"))
import machines as m

#: As different as in the end-to-end test: the first is the head.
SPECS = (m.Spec(), m.Spec(port=10022, user="bob", password="bob123"), m.Spec(user="carol"))
BIN = Path(sys.executable).parent
_GCS_PORT = 6379
_PATIENCE_S = 300


def measure_hosts(count: int, workload: Workload, repeats: int) -> HostsReport:
    """Make machines, and measure an `up` on them as they are new (cold) and once more after a `down` (warm).

    As root only: then all that is on a machine's /tmp and /dev/shm is its own.
    """
    shared = [Path(sys.prefix), Path(sys.base_prefix), workload.python.parents[1]]
    with m.machines(*SPECS[:count], shared=shared) as made, tempfile.TemporaryDirectory(prefix="bench-") as name:
        home = Path(name)
        command = Command(m.make_client_home(home, made))
        entries = [machine.entry(pythonPath=str(BIN)) for machine in made]
        config = write_config(home / "experiment", workload, {"platform": "remote", "machineList": entries})
        first = measure_ray_start(made[0], made[1])
        cold = _session(command, config, workload, repeats)
        second = measure_ray_start(made[0], made[1])
        warm = _session(command, config, workload, 0)
    return HostsReport(count, (first, second), cold, warm)


def _session(command: Command, config: Path, workload: Workload, repeats: int) -> Session:
    before = load()
    with command.cluster(config) as (up_s, down):
        turns = take_turns("ray-nni run", lambda: command.measure(config), lambda: run_xargs(workload), repeats)
    return Session(up_s, down[0], before, turns)


def measure_ray_start(head: m.TestMachine, worker: m.TestMachine) -> RayStart:
    """Start a bare Ray on two machines, one after the other, and kill what was started."""
    before = load()
    with bare_ray([head, worker]):
        return RayStart(ray_start(head), ray_start(worker, head), before)


@contextmanager
def bare_ray(machines: Sequence[m.TestMachine]) -> Iterator[None]:
    """Kill, at the end, what was started on machines in between."""
    running = [{process.pid for process in machine.processes()} for machine in machines]
    try:
        yield
    finally:
        # The head last: it would tell the others.
        for machine, keep in reversed(list(zip(machines, running, strict=True))):
            _kill_others(machine, keep)


def ray_start(machine: m.TestMachine, head: m.TestMachine | None = None) -> float:
    """Start Ray on a machine, as a head or beside one, which may come up meanwhile; return the seconds."""
    arguments = f"--head --port={_GCS_PORT}" if head is None else f"--address={head.address}:{_GCS_PORT}"
    command = f"{BIN}/ray start {arguments} --node-ip-address={machine.address} --disable-usage-stats"
    began = time.monotonic()
    machine.run(f"{command} < /dev/null > ray-start.log 2>&1", timeout=_PATIENCE_S)
    return time.monotonic() - began


def _kill_others(machine: m.TestMachine, keep: set[int]) -> None:
    # Never `ray stop`: it would end everybody's Ray.
    while others := [process.pid for process in machine.processes() if process.pid not in keep]:
        for pid in others:
            machine.kill(pid)
    machine.run("rm -rf /tmp/ray /dev/shm/* ray-start.log", root=True, check=False)
    machine.run("rm -f ray-start.log", check=False)
