"""Made-up machines, each a good one but for what a test changes."""

from __future__ import annotations

from typing import Any

from ray_remote_nni.cluster.facts import MachineFacts
from ray_remote_nni.cluster.state import ClusterState, MachineState

GOOD = {
    "system": "Linux",
    "architecture": "x86_64",
    "libc": "2.36",
    "hostname": "node",
    "home": "/home/alice",
    "write_problem": "",
    "free_bytes": 10 * 1024**3,
    "cpus": 8,
    "memory_bytes": 16 * 1024**3,
    "python": "/usr/bin/python3",
    "python_version": (3, 11, 2),
    "distributions": {"ray": "2.60.0"},
    "ray_has_dashboard": True,
    "gpus": (),
    "addresses": ("192.0.2.1", "127.0.0.1"),
    "ssh_address": "192.0.2.1",
    "free_ports": tuple(range(20001, 20010)),
    "installed": (),
    "guard": None,
    "system_name": "Debian GNU/Linux 12 (bookworm)",
    "hostname_resolves": True,
    "taken_ports": {},
    "clock_skew_s": 0.0,
    "place": "/home/alice",
    "root_problem": "",
    "tmp_problem": "",
    "noexec": False,
    "takes_sockets": True,
    "free_files": 10**6,
    "lock_problem": "",
    "boot_id": "0123",
    "process_room": None,
    "process_limit": "",
}


def facts(**changes: Any) -> MachineFacts:
    """What a good machine says of itself."""
    return MachineFacts(**{**GOOD, **changes})


def machine_state(host: str = "192.0.2.1", **changes: Any) -> MachineState:
    """A node as the client remembers it."""
    known = {
        "host": host,
        "port": None,
        "user": "alice",
        "index": 0,
        "address": host,
        "home": "/home/alice",
        "python": "/usr/bin/python3",
        "directory": "/home/alice/.ray-nni/clusters/abc123/0",
        "temp_dir": "/home/alice/.ray-nni/clusters/abc123/0",
        "gpus": (),
    }
    return MachineState(**{**known, **changes})


def cluster_state(**changes: Any) -> ClusterState:
    """A cluster of one machine, as the client remembers it."""
    known = {
        "name": "abc123",
        "config": "/home/alice/config.yml",
        "platform": "remote",
        "status": "up",
        "created": 1000.0,
        "token": "the-secret-token",
        "library": "ray-nni-0123456789abcdef",
        "ray_version": "2.60.0",
        "gcs_address": "192.0.2.1:20001",
        "dashboard_port": 20002,
        "machines": (machine_state(),),
    }
    return ClusterState(**{**known, **changes})
