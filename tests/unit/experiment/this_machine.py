"""This machine as the only one of a cluster, and what an experiment has left on it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from experiment_values import new_records

from ray_remote_nni.cluster.state import ClusterState, MachineState


def cluster(home: Path, *hosts: str) -> ClusterState:
    machines = tuple(
        MachineState(host, None, None, n, host, str(home), sys.executable, str(home / "node"), str(home / "node"), ())
        for n, host in enumerate(hosts or ("localhost",))
    )
    return ClusterState(
        "abc123", "/c.yml", "local", "up", 1.0, "token", "ray-nni-lib", "2.60.0", "localhost:1", 2, machines
    )


def on_machine(home: Path, trial_id: str = "aB3dE", experiment_id: str = "exp12345") -> Path:
    """A trial's folder on the machine, with all that a trial leaves."""
    folder = home / ".ray-nni" / "experiments" / experiment_id / "trials" / trial_id
    (folder / ".nni").mkdir(parents=True)
    (folder / "code").mkdir()
    (folder / "code" / "big.bin").write_bytes(bytes(1000))
    (folder / "stdout").write_bytes(b"out\xff\0\n")
    (folder / "stderr").write_bytes(b"err\n")
    (folder / "parameter.cfg").write_text("{}")
    (folder / ".nni" / "metrics").write_bytes(b"ME000001x")
    return folder


def record_on_head(home: Path, *ended: tuple[str, str], **changes: Any) -> None:
    """Records of an experiment that is done, with a trial for each (id, machine)."""
    with new_records(home / ".ray-nni" / "experiments" / "exp12345" / "records.sqlite", **changes) as store:
        for sequence, (trial_id, machine) in enumerate(ended):
            store.add_trial(trial_id, sequence, {"x": 0.5}, start=True)
            store.finish(
                trial_id,
                1,
                "SUCCEEDED",
                machine=machine,
                gpu_indices=(),
                start_time=1.0,
                metrics=[(0, "FINAL", 0.9, 2.0)],
                value=0.9,
                metric=0.9,
                end_time=3.0,
                exit_code=0,
                outcome="ended",
            )
        store.set_status("DONE")
