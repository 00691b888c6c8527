"""What trials see and leave on real machines: the real `nni`, limits, their output, what a person does to them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import tempfile
from datetime import datetime
from typing import Any

import machines as m
import pytest
from client import Client, until
from trial_script import TRIAL


@pytest.mark.parametrize("version", ["none", "2.10", "3.0"])
def test_the_same_script_gives_the_same_records_whichever_nni_its_python_has(
    client: Client, experiment: Any, version: str, request: pytest.FixtureRequest
) -> None:
    command = "python3 trial.py"
    if version != "none":
        python = request.getfixturevalue({"2.10": "nni_2_python", "3.0": "nni_3_python"}[version])
        command = f"{python} trial.py"

    client.json("run", experiment(trialCommand=command, maxTrialNumber=2, trialConcurrency=1))

    for trial in client.trials():
        x = trial["parameters"]["x"]
        assert trial["status"] == "SUCCEEDED"
        assert trial["value"] == x
        assert trial["metric"] == {"default": x, "loss": 1 - x}
        assert trial["intermediate"] == [0, x, x * 2]
        said = client.run("logs", trial["trialId"], "--stdout").stdout
        assert said.startswith("nni is ")
        assert f"and x is {x}" in said
        if version != "none":
            assert f"nni is {version}" in said


def test_time_limits_hold_and_failures_show_their_last_words(client: Client, experiment: Any) -> None:
    script = """
        import os, sys, time, nni
        nni.get_next_parameter()
        sequence = nni.get_sequence_id()
        if sequence == 0:
            time.sleep(60)
        if sequence == 1:
            sys.exit("no luck today")
        if sequence > 2:
            nni.report_final_result(1)
    """
    watched = client.run("run", experiment(script, maxTrialDuration="2s", maxTrialNumber=4), "--json")

    trials = client.trials()
    assert f"trial {trials[1]['trialId']} failed with exit code 1:\nno luck today" in watched.stderr
    assert [trial["status"] for trial in trials] == ["EARLY_STOPPED", "FAILED", "SUCCEEDED", "SUCCEEDED"]
    assert trials[1]["exitCode"] == 1
    assert "no luck today" in trials[1]["error"]
    assert trials[2]["value"] is None
    assert json.loads(watched.stdout)["status"] == "DONE"
    assert "without a final result" in client.run("show").stdout


def test_an_experiment_without_a_result_ends_with_exit_code_1(client: Client, experiment: Any) -> None:
    client.json("run", experiment("raise SystemExit(2)", maxTrialNumber=2), code=1)


def test_the_same_seed_gives_the_same_trials_at_concurrency_1(client: Client, experiment: Any) -> None:
    both = client.run_at_once(*(experiment(maxTrialNumber=6, trialConcurrency=1) for _ in range(2)))
    first, second = ([trial["parameters"] for trial in client.json("trials", name)] for name in both)
    assert len(first) == 6
    assert first == second


def test_the_experiments_time_limit_starts_no_more_trials(client: Client, experiment: Any) -> None:
    script = "import time, nni; nni.get_next_parameter(); time.sleep(1); nni.report_final_result(1)"
    result = client.json("run", experiment(script, maxExperimentDuration="5s", maxTrialNumber=100, trialConcurrency=4))

    assert result["status"] == "DONE"
    assert 2 <= result["trials"]["SUCCEEDED"] <= 28


def test_ctrl_c_detaches_from_a_cluster_that_was_up_before(
    client: Client, machines: list[m.TestMachine], experiment: Any
) -> None:
    script = """
        import os, time, nni
        nni.get_next_parameter()
        while not os.path.exists(os.path.expanduser("~/go")):
            time.sleep(0.05)
        nni.report_final_result(1)
    """
    watching = client.start("run", experiment(script, maxTrialNumber=4))
    until(lambda: any(trial["status"] == "RUNNING" for trial in client.trials()))
    watching.send_signal(signal.SIGINT)
    _, said = watching.communicate(timeout=60)
    for machine in machines[::2]:
        machine.run("touch go")

    assert watching.returncode == 130
    assert "goes on" in said
    assert client.json("attach")["trials"] == {"SUCCEEDED": 4}
    for machine in machines[::2]:
        machine.run("rm go")


def test_results_are_here_after_down_but_those_of_a_trial_that_has_closed_its_own(
    client: Client, experiment: Any
) -> None:
    closing = """
    import os
    if os.getuid() != 0:
        try:
            os.mkdir("../../closed")
            os.chmod(os.environ["NNI_SYS_DIR"] + "/stdout", 0)
        except FileExistsError:
            pass
    """
    watched = client.run("run", experiment(TRIAL + closing, maxTrialNumber=6))
    experiment_id = client.json("show")["experiment"]
    here = [folder.name for folder in client.home.glob(f"nni-experiments/{experiment_id}/trials/*")]
    assert len(here) == 5
    assert "/stdout: Permission denied" in watched.stderr
    trial_id = here[0]
    exported = client.run("export", "-t", "csv").stdout
    # As after `down`: nothing of the clusters is known.
    aside = client.home / "aside"
    shutil.move(client.home / ".ray-nni/clusters", aside)
    try:
        assert client.json("show", experiment_id)["trials"] == {"SUCCEEDED": 6}
        assert "x is" in client.run("logs", trial_id).stdout
        assert client.run("export", "-t", "csv").stdout == exported
        assert client.json("status")["clusters"] == []
    finally:
        shutil.rmtree(client.home / ".ray-nni/clusters")
        shutil.move(aside, client.home / ".ray-nni/clusters")


def test_a_bad_trial_is_stopped_early_with_all_that_it_started(
    client: Client, experiment: Any, machines: list[m.TestMachine]
) -> None:
    script = """
        import subprocess, time, nni
        nni.get_next_parameter()
        good = nni.get_sequence_id() == 0
        for step in range(3):
            nni.report_intermediate_result({"default": 9 if good else 1})
        if not good:
            subprocess.run(["sleep", "4242"])
        nni.report_final_result(9)
    """
    assessor = {"name": "Medianstop", "classArgs": {"optimize_mode": "maximize", "start_step": 2}}
    client.json("run", experiment(script, assessor=assessor, maxTrialNumber=2, trialConcurrency=1))

    first, second = client.trials()
    assert (first["status"], second["status"]) == ("SUCCEEDED", "EARLY_STOPPED")
    assert second["value"] is None
    assert second["intermediate"] == [{"default": 1}] * 3
    assert "Medianstop" in second["error"]
    took = datetime.fromisoformat(second["endTime"]) - datetime.fromisoformat(second["startTime"])
    assert took.total_seconds() < 2
    until(lambda: not any("sleep 4242" in str(process) for machine in machines for process in machine.processes()))


def test_a_member_of_pbts_population_goes_on_from_what_another_machine_has_trained(
    client: Client, machines: list[m.TestMachine], experiment: Any
) -> None:
    script = """
        import json, os, time, nni
        parameters = nni.get_next_parameter()
        load, save = parameters["load_checkpoint_dir"], parameters["save_checkpoint_dir"]
        weights = []
        if load != save:
            with open(os.path.join(load, "weights")) as file:
                weights = json.load(file)
        weights.append(save)
        os.umask(0)  # the machines' users differ
        os.makedirs(save)
        member, step = os.path.split(save)
        # Both members are under way at once, and so on two machines.
        while not all(os.path.exists(os.path.join(member, "..", other, step)) for other in "01"):
            time.sleep(0.05)
        with open(os.path.join(save, "weights"), "w") as file:
            json.dump(weights, file)
        nni.report_final_result({"default": len(weights), "weights": weights})
    """
    # Of the disk both machines have this in common.
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        os.chmod(folder, 0o777)
        pbt = {"optimize_mode": "maximize", "seed": 1, "population_size": 2, "all_checkpoint_dir": folder}
        tuner = {"name": "PBT", "classArgs": pbt}
        alone = {"machines": {machine.address: {"maxTrials": 1} for machine in machines[::2]}}
        client.run("run", experiment(script, tuner=tuner, maxTrialNumber=8, ray=alone))
        trials = client.trials()

    assert [trial["value"] for trial in trials] == [1, 1, 2, 2, 3, 3, 4, 4]
    saved = {trial["parameters"]["save_checkpoint_dir"]: trial for trial in trials}
    inherited = [(saved[trial["parameters"]["load_checkpoint_dir"]], trial) for trial in trials[2:]]
    for former, trial in inherited:
        assert trial["metric"]["weights"][:-1] == former["metric"]["weights"]
    # In each step both go on from the better one's weights, the one of them on its machine and the other elsewhere.
    for one, other in zip(inherited[::2], inherited[1::2], strict=True):
        assert one[0] == other[0]
        assert sorted(former["machine"] == trial["machine"] for former, trial in (one, other)) == [False, True]


def test_a_person_adds_kills_and_imports_and_at_last_deletes(
    client: Client, machines: list[m.TestMachine], experiment: Any
) -> None:
    script = "import time, nni; x = nni.get_next_parameter()['x']; time.sleep(0.5); nni.report_final_result(x)"
    running = client.json("run", experiment(script, trialConcurrency=1, maxTrialNumber=600), "--detach")
    experiment_id = running["experiment"]
    until(client.trials)
    earlier = client.home / "earlier.json"
    earlier.write_text('[{"parameter": {"x": 0.5}, "value": "0.5"}, {"parameter": {"x": 9}, "value": 9}]')

    assert "1 of 2 lie outside" in client.run("import", "-f", earlier).stderr
    added = client.run("trials", "add", "--params", '{"x": 0.25}', "--params", '{"x": 7}').stderr
    assert "1 of 2 lie outside the search space, where the tuner learns nothing (x: 7 is not in " in added
    until(lambda: any(trial["value"] == 7 for trial in client.trials()), 90)
    (seven,) = [trial["trialId"] for trial in client.trials() if trial["value"] == 7]
    assert f'{{"x": 7}} as trial {seven}.' in added
    values = [trial["parameters"]["x"] for trial in client.trials()]
    assert values.index(7) == values.index(0.25) + 1

    assert "ray-nni stop" in client.run("delete", experiment_id, "--yes", code=2).stderr
    client.run("stop")
    (waiting,) = [trial["trialId"] for trial in client.trials() if trial["status"] == "WAITING"]
    assert f"without running again, with: ray-nni resume {experiment_id}" in client.run("kill", waiting).stderr
    again = client.run("import", "-f", earlier).stderr
    assert "Left out, since they were imported before: 2 of 2 results." in again
    assert "resume" not in again
    assert "ray-nni resume" in client.run("update", "--max-trials", "1").stderr
    assert client.json("resume")["status"] == "DONE"
    assert {trial["trialId"]: trial["status"] for trial in client.trials()}[waiting] == "USER_CANCELED"

    folder = f"~/.ray-nni/experiments/{experiment_id}"
    assert "trials" in machines[0].run(f"ls {folder}")
    client.run("delete", experiment_id, "--yes")
    assert [machine.run(f"ls -d {folder} 2>/dev/null || echo gone").strip() for machine in machines] == ["gone"] * 3
    assert not (client.home / "nni-experiments" / experiment_id).exists()
    client.run("show", experiment_id, code=4)
