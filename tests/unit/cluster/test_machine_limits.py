"""How many processes and threads a machine lets its user start: control groups of both kinds, and ulimit -u."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest

from ray_remote_nni.cluster.remote import limits


def group(folder: Path, most: str, used: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pids.max").write_text(f"{most}\n")
    (folder / "pids.current").write_text(f"{used}\n")


@pytest.mark.parametrize(("kind", "top"), [("0::", "."), ("4:pids:", "pids"), ("4:cpu,pids:", "pids")])
def test_the_limits_of_all_control_groups_above_count(tmp_path: Path, kind: str, top: str) -> None:
    own = tmp_path / "own"
    own.write_text(f"9:memory:/user.slice\n1:name=systemd:/x\n{kind}/user.slice/user-1000.slice/session-1.scope\n")
    user = tmp_path / "mounted" / top / "user.slice"
    group(user, "max", 90)
    group(user / "user-1000.slice", "100", 70)
    group(user / "user-1000.slice" / "session-1.scope", "50", 10)
    found = limits.cgroup_limits(str(own), str(tmp_path / "mounted"))
    assert sorted(limit[1:] for limit in found) == [(50, 10), (100, 70)]


def test_in_a_container_the_topmost_group_is_its_own(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.write_text("0::/../../kubepods/pod1\n")
    group(tmp_path / "mounted", "30", 5)
    assert [limit[1:] for limit in limits.cgroup_limits(str(own), str(tmp_path / "mounted"))] == [(30, 5)]


def test_the_users_limit_counts_all_threads_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for pid, uid, threads in ((1, 0, 1), (7, 1000, 3), (8, 1000, 4), (9, 1001, 100)):
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "status").write_text(f"Name:\ta: b\nUid:\t{uid}\t{uid}\t0\t0\nThreads:\t{threads}\n")
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    monkeypatch.setattr(resource, "getrlimit", lambda _: (20, 40))
    assert limits.user_limits(str(tmp_path)) == [("ulimit -u", 20, 7)]
    # As on macOS, which must go on to be told as that.
    assert limits.user_limits(str(tmp_path / "missing")) == []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (limits.PLENTY, limits.PLENTY))
    assert limits.user_limits(str(tmp_path)) == []


def test_the_narrowest_limit_is_the_one_that_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "cgroup_limits", lambda *_: [("pids.max", 100, 90), ("pids.max", 50, 10)])
    monkeypatch.setattr(limits, "user_limits", lambda *_: [("ulimit -u", 30, 35)])
    assert limits.limit_facts() == {"process_room": 0, "process_limit": "ulimit -u is 30"}
    monkeypatch.setattr(limits, "user_limits", lambda *_: [])
    assert limits.limit_facts() == {"process_room": 10, "process_limit": "pids.max is 100"}
