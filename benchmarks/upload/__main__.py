"""The benchmark's command line: `python -m benchmarks.upload`."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.throughput.command import Command
from benchmarks.throughput.hosts import SPECS
from benchmarks.throughput.table import Bound
from benchmarks.throughput.trials import Workload, own_python, user_environment, write_config
from benchmarks.upload.working_copy import Copies, measure_copies

sys.path.append(str(Path(__file__).parents[2] / "tests/hosts"))
import machines as m

#: Our bounds: times the time of `tar | ssh` for one machine, and seconds for a trial's working copy.
MOST_OF_TAR, MOST_OF_COPY_S = 1.5, 0.3
_CHECKOUT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Upload:
    """Seconds until the head had all that the client sent, and until all machines had."""

    to_head_s: float
    to_all_s: float


@dataclass(frozen=True)
class Row:
    """A directory's uploads, each just after a `tar | ssh` of the same."""

    name: str
    uploads: Sequence[Upload]
    tar_s: Sequence[float]

    @property
    def ratio(self) -> float:
        ratios = [ours.to_all_s / peer for ours, peer in zip(self.uploads, self.tar_s, strict=True)]
        return statistics.median(ratios)


def main() -> int:
    """Measure, print Markdown tables and the bounds; return 1 where a bound is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.upload", description=__doc__)
    parser.add_argument("--megabytes", type=int, default=500, help="of the large file (default: 500)")
    parser.add_argument("--files", type=int, default=10_000, help="of 1 kB each (default: 10,000)")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each kind, in turn (default: 3)")
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("The test machines are made by root.")
    print(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f} at the start.\n", flush=True)
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        rows = measure_uploads(folder, arguments.megabytes, arguments.files, arguments.repeats)
        _print(upload_table(rows))
        make_directory(folder / "both", arguments.megabytes, 2_000)
        copies = measure_copies(folder / "both")
    _print(copies_table(copies))
    bounds = judge(rows, copies)
    _print(map(str, bounds))
    return 0 if all(bound.holds for bound in bounds) else 1


def measure_uploads(folder: Path, megabytes: int, files: int, repeats: int) -> list[Row]:
    """Send new directories to three new machines, in turn with `tar | ssh` to the first."""
    shared = [Path(sys.prefix), Path(sys.base_prefix), _CHECKOUT]
    with m.machines(*SPECS, shared=shared) as made:
        home = folder / "home"
        home.mkdir()
        command = Command(m.make_client_home(home, made))
        entries = [machine.entry(pythonPath=str(Path(sys.executable).parent)) for machine in made]
        workload = Workload(1, own_python())
        config = write_config(home / "experiment", workload, {"platform": "remote", "machineList": entries})
        rows = []
        with command.cluster(config):
            for name, sizes in ((f"{megabytes} MB in one file", (megabytes, 0)), (f"{files} x 1 kB", (0, files))):
                uploads, peers = [], []
                for number in range(repeats):
                    directory = make_directory(folder / f"{name}-{number}", *sizes)
                    peers.append(send_with_tar(directory, made[0], home, f"bench-{name.split()[0]}-{number}"))
                    uploads.append(send_with_ours(directory, made[0], home))
                rows.append(Row(name, uploads, peers))
    return rows


def make_directory(directory: Path, megabytes: int, files: int) -> Path:
    """Fill a directory with random bytes that no other has."""
    directory.mkdir()
    for number in range(files):
        parent = directory / f"folder{number // 100}"
        parent.mkdir(exist_ok=True)
        (parent / f"file{number}").write_bytes(os.urandom(1000))
    if megabytes:
        with (directory / "data.bin").open("wb") as file:
            for _ in range(megabytes):
                file.write(os.urandom(10**6))
    return directory


def send_with_tar(directory: Path, machine: m.TestMachine, home: Path, target: str) -> float:
    """Send a directory to one machine as people do; return the seconds.

    It stays there: a file system that has just lost many files is slow to make new ones.
    """
    options = f"-o BatchMode=yes -o UserKnownHostsFile={home}/.ssh/known_hosts -i {machine.identity}"
    there = f"mkdir {target}; tar x -C {target}"
    ssh = f"ssh -F none -p {machine.port} {options} {machine.user}@{machine.address} '{there}'"
    began = time.monotonic()
    subprocess.run(["bash", "-c", f"set -o pipefail; tar c -C '{directory}' . | {ssh}"], check=True)
    return time.monotonic() - began


def send_with_ours(directory: Path, head: m.TestMachine, home: Path) -> Upload:
    """Send a directory to all machines of the cluster that is up."""
    result = f"{head.home}/bench-upload.json"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.upload.client", str(directory), result],
        capture_output=True,
        text=True,
        check=False,
        cwd=_CHECKOUT,
        env=user_environment(home),
    )
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    times: dict[str, Any] = json.loads(done.stdout)
    assert times["machines"] == len(SPECS)
    return Upload(times["to_head_s"], times["to_all_s"])


def upload_table(rows: Iterable[Row]) -> Iterable[str]:
    """Yield the table of uploads: the middle of each time, and the middle ratio."""
    yield "| new to the machines | runs | on the head, s | on all three, s | tar \\| ssh to one, s | ratio |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for row in rows:
        head = statistics.median(upload.to_head_s for upload in row.uploads)
        everywhere = statistics.median(upload.to_all_s for upload in row.uploads)
        tar = statistics.median(row.tar_s)
        yield f"| {row.name} | {len(row.uploads)} | {head:.2f} | {everywhere:.2f} | {tar:.2f} | {row.ratio:.2f} |"


def copies_table(copies: Copies) -> Iterable[str]:
    """Yield the table of working copies."""
    yield "| a trial's working copy | beforehand, s | middle start, s | slowest, s | disk a trial, MB |"
    yield "| --- | --- | --- | --- | --- |"
    yield (
        f"| the large file and 2,000 x 1 kB | {copies.beforehand_s:.2f} | {copies.middle_s:.3f} "
        f"| {copies.slowest_s:.3f} | {copies.disk_bytes / 1e6:.0f} |"
    )


def judge(rows: Iterable[Row], copies: Copies) -> list[Bound]:
    """Say whether the bounds hold."""
    bounds = [
        Bound(
            f"{row.name} to three machines, at most {MOST_OF_TAR} of tar | ssh to one",
            row.ratio,
            row.ratio <= MOST_OF_TAR,
        )
        for row in rows
    ]
    promise = f"a trial's working copy, any of them, at most {MOST_OF_COPY_S} s"
    bounds.append(Bound(promise, copies.slowest_s, copies.slowest_s <= MOST_OF_COPY_S))
    return bounds


def _print(lines: Iterable[str]) -> None:
    print("\n".join(lines), end="\n\n", flush=True)


if __name__ == "__main__":
    sys.exit(main())
