"""The options of single machines, `ray.machines`."""

from __future__ import annotations

import pytest
from config_texts import LOCAL, MINIMAL, Load

from ray_remote_nni.config import ConfigInvalid

REMOTE = (
    MINIMAL
    + """\
trainingService:
  platform: remote
  machineList:
    - {host: gpu1, user: u, password: p}
    - {host: gpu1, user: u, password: p, port: 10022}
    - {host: 192.0.2.7, user: u, password: p}
"""
)


def test_options_are_a_hosts_or_of_one_of_its_ports(load: Load) -> None:
    ray = load(REMOTE + "ray: {machines: {gpu1: {max_trials: 2}, 'gpu1:10022': {enabled: no}}}\n").experiment.ray
    assert (ray.machine("gpu1").max_trials, ray.machine("gpu1").enabled) == (2, True)
    assert not ray.machine("gpu1", 10022).enabled
    assert ray.machine("192.0.2.7").max_trials is None


def test_the_head_is_a_host_or_one_of_its_ports(load: Load) -> None:
    assert load(REMOTE + "ray: {headNode: 'GPU1:10022'}\n").experiment.ray.head_node == "GPU1:10022"
    # One of two machines of the host is left: that one is the head.
    load(REMOTE + "ray: {headNode: gpu1, machines: {'gpu1:22': {enabled: false}}}\n")
    for head, message in (("gpu1:10023", "or host:port"), ("gpu1:10022", "gpu1:10022 is not enabled")):
        with pytest.raises(ConfigInvalid, match=message):
            load(REMOTE + f"ray: {{headNode: '{head}', machines: {{'gpu1:10022': {{enabled: false}}}}}}\n")


def test_this_machine_is_localhost(load: Load) -> None:
    ray = load(LOCAL + "ray: {machines: {localhost: {maxTrials: 1}}}\n").experiment.ray
    assert ray.machine("localhost").max_trials == 1


@pytest.mark.parametrize(
    ("ray", "field", "message", "remedy"),
    [
        ("machines: {gpu: {maxTrials: 1}}", "ray.machines.gpu", "it names no machine", "Write gpu1"),
        ("machines: {gpu1: {maxTrial: 1}}", "ray.machines.gpu1.maxTrial", "no such field", "Write maxTrials"),
        ("machines: {gpu1: {maxTrials: -1}}", "ray.machines.gpu1.maxTrials", "a whole number of at least 0", None),
        ("machines: {gpu1: [1]}", "ray.machines.gpu1", "accepted: a mapping of fields", None),
        ("machines: [gpu1]", "ray.machines", "accepted: a mapping", None),
        (
            "machines: {gpu1: {enabled: false}, 192.0.2.7: {maxTrials: 0}}",
            "ray.machines",
            "they leave no machine for trials",
            None,
        ),
        ("{headNode: gpu1, machines: {gpu1: {enabled: false}}}", "ray.headNode", "gpu1 is not enabled", "maxTrials: 0"),
    ],
)
def test_options_that_make_no_sense_are_told(
    load: Load, ray: str, field: str, message: str, remedy: str | None
) -> None:
    block = ray if ray.startswith("{") else f"{{{ray}}}"
    with pytest.raises(ConfigInvalid) as caught:
        load(REMOTE + f"ray: {block}\n")
    [problem] = caught.value.problems
    assert problem.field == field
    assert message in problem.message
    assert remedy is None or remedy in (problem.remedy or "")


def test_no_secret_of_one_machine_is_shown(load: Load) -> None:
    machines = "gpu1: {trialEnvironment: {WANDB_API_KEY: hunter2, FROM: '${WHERE:-hunter2}', OMP_NUM_THREADS: 2}}"
    public = load(REMOTE + f"ray: {{machines: {{{machines}}}}}\n").experiment.public_dict()
    assert public["ray"]["machines"]["gpu1"]["trialEnvironment"] == {
        "WANDB_API_KEY": "***",
        "FROM": "***",
        "OMP_NUM_THREADS": "2",
    }
    assert "hunter2" not in str(public)
