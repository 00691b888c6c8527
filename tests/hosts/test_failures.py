"""What becomes of an experiment, and of its processes, when things are killed or cut off in the middle of it."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import machines as m
import pytest
from client import Client, until

#: A file on each machine, once its trials shall end.
GO = "/tmp/ray-nni-go"
#: Leaves a grandchild in a session of its own, without a trace in its environment: what a guard must find all the same.
#: The first trial ends by itself.
TRIAL = f"""
    import os, subprocess, time, nni
    x = nni.get_next_parameter()["x"]
    subprocess.Popen(["env", "-i", "/usr/bin/setsid", "/bin/sleep", "4321"])
    nni.report_intermediate_result(x)
    while nni.get_sequence_id() > 0 and not os.path.exists("{GO}"):
        time.sleep(0.05)
    nni.report_final_result(x)
"""
#: Every other one reports no final result.
UNFINISHED = f"""
    import os, time, nni
    x = nni.get_next_parameter()["x"]
    nni.report_intermediate_result(x + 1)
    while not os.path.exists("{GO}"):
        time.sleep(0.05)
    nni.report_intermediate_result(x)
    if nni.get_sequence_id() % 2:
        nni.report_final_result(x)
"""
GRANDCHILD = "/bin/sleep 4321"


@pytest.fixture(scope="module")
def client(
    machines: list[m.TestMachine], trial_pythons: list[Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Client]:
    """A client with a cluster that is up; all is as it was afterwards."""
    before = [machine.processes() for machine in machines]
    client = Client(m.make_client_home(tmp_path_factory.mktemp("home"), machines))
    client.run("up", write_experiment(client, machines, trial_pythons))
    yield client
    client.run("down")
    assert [machine.processes() for machine in machines] == before


@pytest.fixture
def experiment(client: Client, machines: list[m.TestMachine], trial_pythons: list[Path]) -> Path:
    """An experiment of 8 trials, 4 at once."""
    return write_experiment(client, machines, trial_pythons)


@pytest.fixture(autouse=True)
def held(machines: list[m.TestMachine]) -> Iterator[None]:
    """No trial of the next test is let go."""
    yield
    for machine in machines:
        machine.run(f"rm -f {GO}")


def let_go(machines: list[m.TestMachine]) -> None:
    for machine in machines:
        machine.run(f"touch {GO}")


def write_experiment(
    client: Client, machines: list[m.TestMachine], pythons: list[Path], script: str = TRIAL, **fields: Any
) -> Path:
    entries = [machine.entry(pythonPath=str(pythons[0])) for machine in machines]
    return client.write_experiment(entries, script, **{"trialConcurrency": 4, "maxTrialNumber": 8, **fields})


def running(trials: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [trial for trial in trials if trial["status"] == "RUNNING" and trial["intermediate"]]


def until_four_run(client: Client, machines: list[m.TestMachine]) -> list[dict[str, Any]]:
    """Wait until the experiment has four trials that run, and return its trials."""
    # To look at the machines costs less than to ask the client.
    until(lambda: len(grandchildren(machines)) >= 4)

    def four_run() -> list[dict[str, Any]]:
        trials = client.trials()
        return trials if len(running(trials)) >= 4 else []

    return until(four_run)


def grandchildren(machines: list[m.TestMachine]) -> list[m.Process]:
    return [process for machine in machines for process in machine.processes() if process.command == GRANDCHILD]


def by_id(trials: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {trial["trialId"]: trial for trial in trials}


def test_after_a_drivers_death_resume_keeps_what_ended_and_runs_the_rest_with_its_parameters_and_todays_code(
    client: Client, machines: list[m.TestMachine], experiment: Path
) -> None:
    def some_ended_and_some_run() -> list[dict[str, Any]]:
        trials = client.trials()
        return trials if any(trial["status"] == "SUCCEEDED" for trial in trials) and len(running(trials)) > 1 else []

    watching = client.start("run", experiment)
    before = by_id(until(some_ended_and_some_run))
    machines[0].kill(machines[0].pid_of("ray_remote_nni.experiment.driver"))
    until(lambda: not grandchildren(machines), 5)
    _, said = watching.communicate(timeout=10)
    assert watching.returncode == 3
    assert "ray-nni resume" in said
    assert "Running entrypoint" not in said
    (known,) = client.json("status")["experiments"]
    assert (known["status"], known["error"]) == ("ERROR", "its driver died")

    let_go(machines)
    with (experiment.parent / "code/trial.py").open("a") as script:
        script.write("print('mended')\n")
    resumed = client.run("resume", "--json")
    assert "The code of your trials has changed, and is used from now on." in resumed.stderr
    result = json.loads(resumed.stdout)

    after = by_id(client.trials())
    assert result["status"] == "DONE"
    assert result["trials"] == {"SUCCEEDED": 8}
    for trial_id, trial in before.items():
        assert after[trial_id]["parameters"] == trial["parameters"]
        if trial["status"] == "SUCCEEDED":
            assert after[trial_id] == trial
    assert {trial["attempt"] for trial in after.values()} == {1, 2}
    for trial_id, trial in after.items():
        (printed,) = client.home.glob(f"nni-experiments/*/trials/{trial_id}/stdout")
        assert (printed.read_text() == "mended\n") is (trial != before.get(trial_id))
    assert not grandchildren(machines)


def test_an_experiment_whose_cluster_loses_its_control_store_has_failed_and_was_stopped_by_nobody(
    client: Client, machines: list[m.TestMachine], experiment: Path
) -> None:
    watching = client.start("run", experiment)
    before = by_id(running(until_four_run(client, machines)))
    machines[0].kill(machines[0].pid_of("gcs_server"))
    _, said = watching.communicate(timeout=60)
    assert watching.returncode == 3
    assert "ray-nni resume" in said
    (known,) = [shown for shown in client.json("status")["experiments"] if shown["status"] != "DONE"]
    assert (known["status"], known["error"]) == ("ERROR", "its driver died")

    let_go(machines)
    client.run("up", experiment)
    assert client.json("resume")["trials"] == {"SUCCEEDED": 8}
    after = by_id(client.trials())
    assert {trial_id: after[trial_id]["parameters"] for trial_id in before} == {
        trial_id: trial["parameters"] for trial_id, trial in before.items()
    }


def test_trials_of_a_machine_whose_raylet_is_killed_run_again_elsewhere_with_the_same_parameters(
    client: Client, machines: list[m.TestMachine], experiment: Path
) -> None:
    client.run("run", experiment, "--detach")
    before = by_id(running(until_four_run(client, machines)))
    machines[1].kill(machines[1].pid_of("raylet/raylet"))
    until(lambda: not grandchildren([machines[1]]), 5)

    let_go(machines)
    result = client.json("attach")

    after = by_id(client.trials())
    assert result["trials"] == {"SUCCEEDED": 8}
    lost = [trial for trial in before.values() if trial["machine"] == machines[1].address]
    assert lost
    for trial in lost:
        again = after[trial["trialId"]]
        assert again["attempt"] == 2
        assert again["parameters"] == trial["parameters"]
        assert again["machine"] != machines[1].address
    repaired = client.run("up")
    assert machines[1].address in repaired.stderr
    assert {machine["status"] for machine in client.json("status")["clusters"][0]["machines"]} == {"up"}


def test_trials_of_a_machine_that_is_cut_off_or_hangs_run_again_elsewhere_as_soon_as_ray_gives_it_up(
    client: Client, machines: list[m.TestMachine], experiment: Path
) -> None:
    client.run("run", experiment, "--detach")
    before = by_id(running(until_four_run(client, machines)))
    lost = [trial_id for trial_id, trial in before.items() if trial["machine"] == machines[2].address]
    assert lost

    def run_again() -> bool:
        now = by_id(client.trials())
        return all(now[trial_id]["attempt"] == 2 for trial_id in lost)

    def hanging_is_lost() -> bool:
        return f"lost with {machines[1].address} (" in client.run("show").stdout

    machines[2].cut()
    # What runs on a machine whose raylet hangs goes on, and what is sent there never begins.
    hanging = machines[1].pid_of("raylet/raylet")
    machines[1].kill(hanging, signal.SIGSTOP)
    let_go(machines[:2])
    # Ray itself waits for their ends until the connection breaks, which takes minutes.
    try:
        until(run_again, 60, poll_s=2)
        # As it wakes, Ray itself tells that its node died.
        until(hanging_is_lost, 60, poll_s=2)
    finally:
        machines[2].heal()
        machines[1].kill(hanging, signal.SIGCONT)
    let_go(machines)

    assert client.json("attach")["trials"] == {"SUCCEEDED": 8}
    after = by_id(client.trials())
    assert {after[trial_id]["machine"] for trial_id in lost}.isdisjoint({machines[2].address})
    notices = client.run("show").stdout
    for machine in machines[1:]:
        assert f"lost with {machine.address} (it does not answer any more); it runs again" in notices
    until(lambda: not grandchildren(machines))
    until(lambda: not any("raylet/raylet" in str(p) for machine in machines[1:] for p in machine.processes()))
    client.run("up")


def test_a_killed_tuner_is_made_anew_from_the_records_beside_them(
    client: Client, machines: list[m.TestMachine], trial_pythons: list[Path]
) -> None:
    hyperband = {
        "name": "Hyperband",
        "classArgs": {"R": 3, "exec_mode": "serial", "optimize_mode": "minimize", "seed": 0},
    }
    config = write_experiment(client, machines, trial_pythons, UNFINISHED, tuner=hyperband, maxTrialNumber=6)
    client.run("run", config, "--detach")
    until(lambda: len(running(client.trials())) > 1)
    # Its machine is the head: the loss of another one does not touch it.
    machines[0].kill(machines[0].pid_of("ray::TunerActor"))

    let_go(machines)
    result = client.json("attach")

    assert result["trials"] == {"SUCCEEDED": 6}
    parameters = [trial["parameters"] for trial in client.trials()]
    assert [each["TRIAL_BUDGET"] for each in parameters] == [1, 1, 1, 3, 3, 3]
    # The best goes on, whose result may be an intermediate one: the new tuner knows what the old one suggested.
    assert parameters[3]["x"] == min(each["x"] for each in parameters[:3])


def test_a_killed_trial_is_failed_with_its_signal_and_the_others_go_on(
    client: Client, machines: list[m.TestMachine], experiment: Path
) -> None:
    client.run("run", experiment, "--detach")
    until_four_run(client, machines)
    machines[0].kill(machines[0].pid_of("python3 trial.py"))

    let_go(machines)
    result = client.json("attach")

    failed = [trial for trial in client.trials() if trial["status"] == "FAILED"]
    assert result["trials"] == {"SUCCEEDED": 7, "FAILED": 1}
    assert [trial["exitCode"] for trial in failed] == [128 + signal.SIGKILL]
    assert not grandchildren(machines)


def test_a_trials_worker_killed_with_9_takes_the_trials_tree_along_and_costs_an_attempt(
    client: Client, machines: list[m.TestMachine], experiment: Path
) -> None:
    client.run("run", experiment, "--detach")
    until_four_run(client, machines)
    machines[2].kill(machines[2].pid_of("ray::trial"))

    let_go(machines)
    result = client.json("attach")

    assert result["trials"] == {"SUCCEEDED": 8}
    assert sorted({trial["attempt"] for trial in client.trials()}) == [1, 2]
    assert not grandchildren(machines)


def test_a_stopped_experiment_can_be_resumed_and_stops_its_trials_within_5_seconds(
    client: Client, machines: list[m.TestMachine], experiment: Path
) -> None:
    client.run("run", experiment, "--detach")
    until_four_run(client, machines)
    client.run("stop")
    until(lambda: not grandchildren(machines), 5)
    assert client.json("show")["status"] == "STOPPED"

    let_go(machines)
    assert client.json("resume")["trials"] == {"SUCCEEDED": 8}
