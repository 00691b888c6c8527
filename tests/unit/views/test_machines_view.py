"""The table of `check --connect`."""

from __future__ import annotations

from typing import Any

import pytest
from screens import pipe, printed

from ray_remote_nni.views.machines import print_machines

GOOD: dict[str, Any] = {
    "host": "gpu1",
    "login": True,
    "hostKeyTrust": "verified",
    "os": "Debian",
    "python": "3.11.2",
    "ray": "2.60.0",
    "runtime": "own",
    "gpus": [],
    "freeBytes": 2**30,
    "clockSkewSeconds": -0.04,
    "hostNameResolves": True,
    "freePorts": [20001],
    "takenPorts": [],
    "cluster": None,
    "reaches": {},
}


def row(**changes: Any) -> str:
    console = pipe()
    print_machines(console, [GOOD | changes])
    return printed(console)[1]


@pytest.mark.parametrize(
    ("trust", "shown"),
    [("verified", "verified"), ("recorded", "new, recorded"), ("unchecked", "not checked"), (None, "–")],
)
def test_a_host_key_is_verified_only_where_it_was_recorded_before(trust: str | None, shown: str) -> None:
    assert f"  {shown}  " in row(hostKeyTrust=trust)


@pytest.mark.parametrize(("skew", "shown"), [(-0.04, " 0 s"), (0.4, " 0 s"), (-61.2, "-61 s"), (5.0, "+5 s")])
def test_a_clock_that_is_right_is_neither_ahead_nor_behind(skew: float, shown: str) -> None:
    assert shown in row(clockSkewSeconds=skew)
    assert "-0 s" not in row(clockSkewSeconds=skew)


def test_a_machine_that_lets_us_in_and_has_no_python_says_which_of_the_two_failed() -> None:
    console = pipe()
    silent = {"host": "gpu1", "login": True, "hostKeyTrust": "recorded", "python": None}
    print_machines(console, [silent, {"host": "gpu2", "login": False, "hostKeyTrust": None, "python": None}])
    assert [line.split() for line in printed(console)[1:]] == [
        ["gpu1", "ok", "new,", "recorded", "no"],
        ["gpu2", "no"],
    ]
