"""What a running experiment is told of the machines that join its cluster."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from ray_remote_nni.experiment.machines import MACHINES_FILE, joined_machine, main
from ray_remote_nni.experiment.spec import MachineSpec


def test_what_up_says_of_a_machine_is_read_on_the_head_and_by_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = MachineSpec(3, "gpu3", max_trials=2, trials_per_gpu=4, use_active_gpu=True, environment={"KEY": "k"})
    asked = {"directory": str(tmp_path), "machines": [asdict(MachineSpec(0, "gpu0")), asdict(machine)]}
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(asked)))
    main()
    monkeypatch.setenv("RAY_NNI_NODE", str(tmp_path))

    assert joined_machine(3) == machine
    assert joined_machine(7) == MachineSpec(7)
    assert (tmp_path / MACHINES_FILE).stat().st_mode & 0o777 == 0o600


def test_a_machine_of_which_nothing_was_said_has_no_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_NNI_NODE", str(tmp_path))
    assert joined_machine(1) == MachineSpec(1)
