"""Host names, login names, paths and variables of a configuration that no command could carry as data are refused."""

from __future__ import annotations

import re

import pytest
import yaml
from config_texts import Load, Problems
from hostile import LINES, fuzz
from hypothesis import given

from ray_remote_nni.config import ConfigInvalid

CONFIG = {
    "searchSpace": {"x": {"_type": "uniform", "_value": [0, 1]}},
    "trialCommand": "true",
    "trialConcurrency": 1,
    "maxTrialNumber": 1,
    "tuner": {"name": "TPE"},
}
#: What a shell of the user's own ~/.ssh/config (ProxyCommand, Match exec) could obey.
OBEYED = re.compile(r"""['"`;&<>|(){}]|\$\(|^-""")


def text_of(ray: dict[str, object] | None = None, **machine: str) -> str:
    machines = [{"host": "192.0.2.1", "user": "alice", "password": "x", **machine}]
    service = {"platform": "remote", "machineList": machines}
    return yaml.safe_dump({**CONFIG, "trainingService": service, "ray": ray or {}}, allow_unicode=True)


@fuzz(60)
@given(text=LINES)
@pytest.mark.parametrize("field", ["host", "user"])
def test_names_that_a_shell_could_obey_are_refused(load: Load, field: str, text: str) -> None:
    try:
        loaded = load(text_of(**{field: text}))
    except ConfigInvalid:
        return
    machine = loaded.experiment.training_service.machine_list[0]  # type: ignore[union-attr]
    assert not OBEYED.search(getattr(machine, field))


@pytest.mark.parametrize("host", ["gpu1", "gpu-1.uni.example", "2001:db8::1", "fe80::1%eth0", "bücher.example", "a_b"])
@pytest.mark.parametrize("user", ["alice", "DOMAIN\\alice", "alice@uni.example", "a.b-c_d$", "Jane Doe"])
def test_the_names_that_people_have_are_accepted(load: Load, host: str, user: str) -> None:
    machine = load(text_of(host=host, user=user)).experiment.training_service.machine_list[0]  # type: ignore[union-attr]
    assert (machine.host, machine.user) == (host, user)


@pytest.mark.parametrize(
    ("machine", "ray", "says"),
    [
        ({"pythonPath": "/opt/a\nb"}, {}, "without line breaks"),
        ({"pythonPath": "/opt/a\0b"}, {}, "without NUL"),
        ({}, {"trialEnvironment": {"A=B": "x"}}, "without = in them"),
        ({}, {"trialEnvironment": {"": "x"}}, "names of variables"),
        ({}, {"trialEnvironment": {"A": "x\0y"}}, "without NUL"),
        ({}, {"machines": {"192.0.2.1": {"trialEnvironment": {"A": "x\0y"}}}}, "without NUL"),
    ],
)
def test_what_no_command_or_environment_can_hold_is_refused(
    problems: Problems, machine: dict[str, str], ray: dict[str, object], says: str
) -> None:
    (problem,) = problems(text_of(ray, **machine))
    assert says in problem.message
