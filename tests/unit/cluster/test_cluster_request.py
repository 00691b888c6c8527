"""From a configuration to the machines and logins that a cluster is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest
from machine_values import cluster_state, machine_state

from ray_remote_nni.cluster.membership import wanted_head
from ray_remote_nni.cluster.request import ClusterRequest, request_cluster
from ray_remote_nni.config import load_config
from ray_remote_nni.errors import UsageError

HEAD = """\
searchSpace: {x: {_type: uniform, _value: [0, 1]}}
trialCommand: python3 t.py
trialConcurrency: 1
tuner: {name: TPE}
"""


def request(tmp_path: Path, service: str, **options: object) -> ClusterRequest:
    file = tmp_path / "config.yml"
    file.write_text(HEAD + service)
    loaded = load_config(file, {})
    return request_cluster(loaded.path, loaded.experiment, **options)  # type: ignore[arg-type]


def remote(*machines: str, more: str = "") -> str:
    listed = "\n".join(f"    - {machine}" for machine in machines)
    return f"trainingService:\n  platform: remote\n  machineList:\n{listed}\n{more}"


@pytest.fixture
def key(tmp_path: Path) -> Path:
    file = tmp_path / "id"
    file.touch(0o600)
    return file


def test_every_machine_has_its_own_login(tmp_path: Path, key: Path) -> None:
    made = request(
        tmp_path,
        remote(
            f"{{host: 192.0.2.1, user: alice, sshKeyFile: {key}, sshPassphrase: open sesame}}",
            "{host: 192.0.2.2, port: 10022, user: bob, password: bob123, pythonPath: /opt/bin, gpuIndices: 1}",
        ),
    )
    first, second = (machine.login for machine in made.machines)
    assert first is not None
    assert second is not None
    assert (first.host, first.user, first.key_file, first.passphrase) == (
        "192.0.2.1",
        "alice",
        key,
        "open sesame",
    )
    assert (second.port, second.user, second.password, second.key_file) == (10022, "bob", "bob123", None)
    assert made.machines[1].settings.python_path == "/opt/bin"
    assert made.machines[1].settings.gpu_indices == (1,)


def test_a_port_that_is_not_written_is_left_to_the_users_ssh_configuration(tmp_path: Path) -> None:
    made = request(tmp_path, remote("{host: gpu1, user: alice}", "{host: gpu2, user: alice, port: 22}"))
    assert [machine.login.port for machine in made.machines if machine.login] == [None, 22]


def test_machines_behind_one_host_are_told_apart_by_their_ports_and_others_are_called_by_their_host(
    tmp_path: Path,
) -> None:
    written = [("127.0.0.1", 22), ("127.0.0.1", 10022), ("192.0.2.1", 10022)]
    machines = [f"{{host: {host}, user: bob, port: {port}}}" for host, port in written]
    made = request(tmp_path, remote(*machines))
    assert [machine.label for machine in made.machines] == ["127.0.0.1 port 22", "127.0.0.1 port 10022", "192.0.2.1"]


def test_a_password_of_ask_is_asked_for_with_user_and_host(tmp_path: Path) -> None:
    asked = []

    def ask(prompt: str) -> str:
        asked.append(prompt)
        return "typed"

    made = request(tmp_path, remote("{host: 192.0.2.1, user: bob, password: ask}"), ask=ask)
    assert made.machines[0].login is not None
    assert made.machines[0].login.password == "typed"
    assert asked == ["Password of bob@192.0.2.1"]


def test_a_passphrase_of_ask_is_asked_for_with_the_keys_name(tmp_path: Path, key: Path) -> None:
    asked = []

    def ask(prompt: str) -> str:
        asked.append(prompt)
        return "typed"

    machine = f"{{host: 192.0.2.1, user: bob, sshKeyFile: {key}, sshPassphrase: ask}}"
    made = request(tmp_path, remote(machine), ask=ask)
    assert made.machines[0].login is not None
    assert made.machines[0].login.passphrase == "typed"
    assert asked == [f"Passphrase of {key}"]


def test_no_secret_is_in_the_text_of_a_request(tmp_path: Path) -> None:
    made = request(tmp_path, remote("{host: 192.0.2.1, user: bob, password: bob123}"))
    assert "bob123" not in repr(made)


@pytest.mark.parametrize(
    ("more", "options", "accepted"),
    [
        ("", {}, False),
        ("ray: {hostKeyPolicy: accept-new}", {}, True),
        ("", {"accept_new_host_keys": True}, True),
    ],
)
def test_new_host_keys_are_accepted_only_where_asked_for(
    tmp_path: Path, more: str, options: dict[str, bool], accepted: bool
) -> None:
    made = request(tmp_path, remote("{host: 192.0.2.1, user: bob}", more=more), **options)
    assert made.machines[0].login is not None
    assert made.machines[0].login.accept_new_host_key is accepted


def test_the_configuration_names_the_head(tmp_path: Path) -> None:
    machines = ("{host: 192.0.2.1, user: bob}", "{host: 192.0.2.2, user: bob}")
    assert request(tmp_path, remote(*machines, more="ray: {headNode: 192.0.2.2}")).head_host == "192.0.2.2"
    assert request(tmp_path, remote(*machines)).head_host is None


@pytest.mark.parametrize(("port", "head"), [(10023, "gate:10023"), (10024, "attic")])
def test_the_head_may_be_named_with_its_port(tmp_path: Path, port: int, head: str) -> None:
    places = (("gate", 10022), ("gate", 10023), ("attic", 10024))
    machines = [f"{{host: {host}, port: {number}, user: bob}}" for host, number in places]
    named = {number: host for host, number in places}[port]
    made = request(tmp_path, remote(*machines, more=f"ray: {{headNode: '{named}:{port}'}}"))
    assert made.head_host == head
    assert wanted_head(made) == [number for _, number in places].index(port)


def test_the_local_platform_is_this_machine_without_a_login(tmp_path: Path) -> None:
    made = request(tmp_path, "trainingService: {platform: local, gpuIndices: [0, 2]}")
    (machine,) = made.machines
    assert machine.login is None
    assert machine.settings.gpu_indices == (0, 2)
    assert machine.identity == ("localhost", None, None)


def test_a_cluster_matches_the_request_for_just_its_machines(tmp_path: Path) -> None:
    first, second = "{host: 192.0.2.1, user: alice}", "{host: 192.0.2.2, user: bob, port: 10022}"
    # The head comes first in the state, whatever its place in the list.
    state = cluster_state(
        machines=(
            machine_state("192.0.2.2", user="bob", port=10022, index=1),
            machine_state("192.0.2.1", user="alice", port=None, index=0),
        )
    )
    assert request(tmp_path, remote(first, second)).matches(state)
    assert not request(tmp_path, remote(first)).matches(state)
    assert request(tmp_path, remote(second, first)).matches(state)
    assert not request(tmp_path, remote(first, second.replace("bob", "carol"))).matches(state)
    assert not request(tmp_path, remote(first, second.replace("10022", "10023"))).matches(state)


def test_a_machine_is_found_by_host_port_and_user(tmp_path: Path) -> None:
    made = request(tmp_path, remote("{host: h, user: a}", "{host: h, user: a, port: 10022}"))
    assert made.machine(("h", 10022, "a")) is made.machines[1]
    assert made.machine(("h", None, "b")) is None


def test_a_machine_that_is_not_enabled_is_not_asked_for(tmp_path: Path) -> None:
    service = remote("{host: gpu1, user: alice}", "{host: gpu2, user: alice}")
    made = request(tmp_path, service + "\nray: {machines: {gpu1: {enabled: false}}}\n")
    assert [machine.settings.host for machine in made.machines] == ["gpu2"]
    # But how to log in to it is known: it may be a node still.
    assert made.machine(("gpu1", None, "alice")) is made.disabled[0]


@pytest.mark.parametrize("system", ["win32", "darwin"])
def test_trials_on_the_clients_own_machine_need_linux(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: str
) -> None:
    monkeypatch.setattr("sys.platform", system)
    with pytest.raises(UsageError, match="must run Linux"):
        request(tmp_path, "trainingService: {platform: local}\n")
