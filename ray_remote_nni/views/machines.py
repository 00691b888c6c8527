"""A row for each machine that `check --connect` looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from ray_remote_nni.views.layout import Columns
from ray_remote_nni.views.output import show

_COLUMNS = (
    "machine",
    "login",
    "host key",
    "system",
    "Python",
    "Ray",
    "GPUs",
    "free disk",
    "clock",
    "ports",
    "reaches",
    "own name",
)

#: What is said of a host key, by how far it is to be trusted.
_TRUST = {"verified": "verified", "recorded": "new, recorded", "unchecked": "not checked", None: "–"}


def print_machines(console: Console, machines: Sequence[Mapping[str, Any]]) -> None:
    """Print machines, each as `check --connect --json` has it."""
    rows = [[Text(cell, style="red" if cell.startswith("no") else "") for cell in _cells(one)] for one in machines]
    show(console, Columns(_COLUMNS, rows))


def _cells(machine: Mapping[str, Any]) -> list[str]:
    if not machine["login"]:
        return [machine["host"], "no"]
    if machine["python"] is None:
        return [machine["host"], "ok", _TRUST[machine["hostKeyTrust"]], "", "no"]
    reaches = machine["reaches"]
    blocked = [host for host, open_ in reaches.items() if not open_]
    return [
        machine["host"],
        "ok",
        _TRUST[machine["hostKeyTrust"]],
        machine["os"],
        machine["python"],
        machine["ray"] or "none" if machine["runtime"] == "own" else machine["runtime"],
        str(len(machine["gpus"])),
        f"{machine['freeBytes'] / 1024**3:.1f} GiB",
        _clock(machine["clockSkewSeconds"]),
        _ports(machine),
        f"not {', '.join(blocked)}" if blocked else ("all others" if reaches else "–"),
        "resolves" if machine["hostNameResolves"] else "not resolved",
    ]


def _clock(skew_s: float) -> str:
    return f"{round(skew_s):+} s" if round(skew_s) else "0 s"


def _ports(machine: Mapping[str, Any]) -> str:
    if machine["takenPorts"] or not machine["freePorts"]:
        return "not free"
    return "free" if machine["cluster"] is None else f"its cluster {machine['cluster']} runs"
