"""The test machines are what they claim to be: without that, no test on them says anything."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import asyncssh
import machines as m
import pytest

AS_ROOT = os.geteuid() == 0


def login(machine: m.TestMachine, home: Path, command: str, password: str | None = None) -> str:
    """Log in as a client does that gets a password rather than a key, if one is given."""

    async def go() -> str:
        keys = [] if password else [str(machine.identity)]
        async with asyncssh.connect(
            machine.address,
            machine.port,
            username=machine.user,
            password=password,
            client_keys=keys,
            known_hosts=str(home / ".ssh" / "known_hosts"),
            config=None,
        ) as connection:
            return str((await connection.run(command, check=True)).stdout)

    return asyncio.run(go())


def eventually(condition: Callable[[], object], timeout_s: float = 10) -> bool:
    deadline = time.monotonic() + timeout_s
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return bool(condition())


def start_sleeper(machine: m.TestMachine, seconds: int) -> None:
    machine.run(f"setsid sleep {seconds} < /dev/null > /dev/null 2>&1 &")
    assert eventually(lambda: sleepers(machine, seconds))


def sleepers(machine: m.TestMachine, seconds: int) -> list[m.Process]:
    return [process for process in machine.processes() if process.command == f"sleep {seconds}"]


def test_the_ssh_client_logs_in_with_the_key_and_finds_its_home(
    machines: list[m.TestMachine], client_home: Path
) -> None:
    for machine in machines:
        if machine.identity:
            output = machine.ssh("id -un; pwd; hostname", home=client_home).stdout.split()
            assert output[:2] == [machine.user, str(machine.home)]
            assert not AS_ROOT or output[2] == machine.name


def test_a_password_opens_the_machine_that_has_one_and_a_wrong_one_does_not(
    machines: list[m.TestMachine], client_home: Path
) -> None:
    machine = machines[1]
    if AS_ROOT:
        assert machine.password == "bob123"
        output = login(machine, client_home, "id -un; pwd; stat -c %a .", password="bob123")
        assert output.split() == ["bob", "/home/bob", "700"]
        with pytest.raises(asyncssh.PermissionDenied):
            login(machine, client_home, "true", password="bob124")
    else:
        assert machine.password is None, "without root there are keys only"
        assert login(machine, client_home, "pwd").strip() == str(machine.home)


def test_files_arrive_in_the_users_home(machines: list[m.TestMachine], client_home: Path, tmp_path: Path) -> None:
    machine = machines[2]
    (tmp_path / "letter").write_text("hello")
    batch = f"put {tmp_path}/letter letter\n"
    options = ["-o", f"UserKnownHostsFile={client_home}/.ssh/known_hosts", "-i", str(machine.identity)]
    target = f"{machine.user}@{machine.address}"
    subprocess.run(
        ["sftp", "-q", "-F", "none", "-P", str(machine.port), *options, "-b", "-", target],
        input=batch, text=True, check=True, capture_output=True,
    )  # fmt: skip
    assert machine.run("cat ~/letter; rm ~/letter") == "hello"


def test_every_user_can_run_the_trials_pythons(machines: list[m.TestMachine], trial_pythons: list[Path]) -> None:
    assert len(set(trial_pythons)) == 2
    for machine in machines:
        for folder in trial_pythons:
            code = "import ray, sklearn, sys; print(sys.prefix)"
            assert machine.run(f"{folder}/python -c '{code}'").strip() == str(folder.parent)
            assert machine.run(f"{folder}/python3 -c 'import sys; print(sys.prefix)'").strip() == str(folder.parent)


def test_a_machine_shows_its_own_processes_and_no_others(machines: list[m.TestMachine]) -> None:
    first, second, third = machines
    before = [machine.processes() for machine in machines]
    start_sleeper(second, 4711)
    (sleeper,) = sleepers(second, 4711)
    assert sleeper.user == second.user
    assert not sleepers(first, 4711)
    assert not sleepers(third, 4711)
    second.kill(sleeper.pid)
    assert eventually(lambda: [machine.processes() for machine in machines] == before)


def test_a_crash_kills_everything_but_the_way_in(machines: list[m.TestMachine], client_home: Path) -> None:
    machine = machines[0]
    start_sleeper(machine, 4712)
    start_sleeper(machine, 4713)
    machine.crash()
    assert eventually(lambda: not sleepers(machine, 4712) and not sleepers(machine, 4713))
    assert machine.ssh("echo back", home=client_home).stdout == "back\n"


def test_a_cut_machine_does_not_answer_until_it_is_healed(machines: list[m.TestMachine], client_home: Path) -> None:
    machine = machines[0]
    start_sleeper(machine, 4714)
    machine.cut()
    try:
        assert machine.ssh("true", home=client_home, check=False).returncode == 255
        assert sleepers(machine, 4714)
    finally:
        machine.heal()
    assert eventually(lambda: machine.ssh("true", home=client_home, check=False).returncode == 0)
    machine.crash()


def test_listeners_are_seen_and_only_ssh_gets_in_from_here(
    machines: list[m.TestMachine], trial_pythons: list[Path]
) -> None:
    first, second, _ = machines
    server = f"{trial_pythons[0]}/python -m http.server --bind {first.address} 8123"
    first.run(f"setsid {server} < /dev/null > /dev/null 2>&1 &")
    assert eventually(lambda: (first.address, 8123) in first.listening())
    fetch = f"import urllib.request as r; print(r.urlopen('http://{first.address}:8123', timeout=3).status)"
    assert second.run(f'{trial_pythons[0]}/python -c "{fetch}"') == "200\n"
    if AS_ROOT:
        here = subprocess.run([trial_pythons[0] / "python", "-c", fetch], capture_output=True, text=True)
        assert "Connection refused" in here.stderr
        assert first.run("getent hosts h3").split()[0] == machines[2].address
    first.crash()
    assert eventually(lambda: (first.address, 8123) not in first.listening())


def system_state() -> str:
    command = "ps -eo args; ip addr; ip netns; cat /proc/mounts /etc/passwd"
    return subprocess.run(command, shell=True, capture_output=True, text=True).stdout


def test_machines_go_with_the_session_that_made_them_and_the_next_one_clears_up() -> None:
    code = (
        f"import sys, time; sys.path.insert(0, {str(Path(m.__file__).parent)!r}); import machines as m\n"
        "with m.machines(m.Spec()) as (h,):\n"
        "    h.run('sleep 4716 > /dev/null 2>&1 &'); print(h.address, flush=True); time.sleep(60)"
    )
    session = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert session.stdout
    address = session.stdout.readline().strip()
    state = system_state()
    assert "sleep 4716" in state
    session.kill()
    session.communicate()
    with m.machines(m.Spec()):
        pass
    assert eventually(lambda: "sleep 4716" not in system_state())
    assert not AS_ROOT or address.removesuffix("1") not in system_state()


def test_nothing_is_left_of_machines_that_are_gone() -> None:
    with m.machines(m.Spec(user="zelda", password="x")) as (machine,):
        start_sleeper(machine, 4715)
        traces = [machine.address]
    state = system_state()
    assert "sleep 4715" not in state
    assert "zelda" not in state
    assert not AS_ROOT or not any(trace in state for trace in traces)
