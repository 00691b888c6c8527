"""Deleting an experiment from a machine."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from ray_remote_nni.cluster.local import LocalTransport
from ray_remote_nni.experiment.delete import _delete


def test_what_a_trial_shut_is_deleted_and_the_machines_code_that_it_linked_to_stays_read_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    code, trials = (tmp_path / ".ray-nni" / name for name in ("code/c0de", "experiments/exp12345/trials"))
    code.mkdir(parents=True)
    (code / "large.bin").touch(mode=0o444)
    for trial in ("aB3dE", "-n bbb"):
        (trials / trial / "shut").mkdir(parents=True)
        os.link(code / "large.bin", trials / trial / "shut" / "large.bin")
        (trials / trial / "shut").chmod(0)
        (trials / trial).chmod(0)

    assert asyncio.run(_delete(LocalTransport(), "exp12345")).split() == ["gone"]

    assert not (tmp_path / ".ray-nni/experiments/exp12345").exists()
    assert (code / "large.bin").stat().st_mode & 0o777 == 0o444
