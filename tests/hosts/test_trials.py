"""What trials see and leave on real machines: the real `nni`, GPUs, limits, their output."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import tempfile
import textwrap
import time
from collections.abc import Iterator
from datetime import datetime
from itertools import accumulate
from pathlib import Path
from typing import Any

import machines as m
import pytest
import yaml
from client import Client, until

#: Says which `nni` it has, and reports the way every NNI script does.
TRIAL = """
    import nni
    params = nni.get_next_parameter()
    print("nni is", nni.__version__, "and x is", params["x"])
    for step in range(3):
        nni.report_intermediate_result(params["x"] * step)
    nni.report_final_result({"default": params["x"], "loss": 1 - params["x"]})
"""

#: Four GPUs; the machine's first process, a stranger's, is on GPU N while there is a file stranger-N.
NVIDIA_SMI = """\
#!/bin/sh
case "$*" in
"-q -x")
    echo "<nvidia_smi_log>"
    for gpu in 0 1 2 3; do
        echo "<gpu><processes>"
        [ -e "$HOME/stranger-$gpu" ] && echo "<process_info><pid>1</pid></process_info>"
        echo "</processes></gpu>"
    done
    echo "</nvidia_smi_log>" ;;
*) seq 0 3 ;;
esac
"""


@pytest.fixture(scope="module")
def client(
    machines: list[m.TestMachine], trial_pythons: list[Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Client]:
    """A client with a cluster of two machines, the second of which has two of four (simulated) GPUs to offer."""
    before = [machine.processes() for machine in machines]
    client = Client(m.make_client_home(tmp_path_factory.mktemp("home"), machines))
    machines[2].run(f"mkdir -p bin; cat > bin/nvidia-smi <<'END'\n{NVIDIA_SMI}END\nchmod +x bin/nvidia-smi")
    machines[2].run("printf 'PATH=$HOME/bin:$PATH\\n' > .bashrc")
    client.run("up", write_experiment(client, machines, trial_pythons))
    yield client
    client.run("down")
    machines[2].run("rm -rf bin .bashrc stranger-*")
    assert [machine.processes() for machine in machines] == before


def write_experiment(
    client: Client, machines: list[m.TestMachine], pythons: list[Path], script: str = TRIAL, **fields: Any
) -> Path:
    entries = [
        machines[0].entry(pythonPath=str(pythons[0])),
        machines[2].entry(pythonPath=str(pythons[0]), gpuIndices="1,3"),
    ]
    return client.write_experiment(entries, script, **fields)


@pytest.fixture
def experiment(client: Client, machines: list[m.TestMachine], trial_pythons: list[Path]) -> Any:
    def write(script: str = TRIAL, **fields: Any) -> Path:
        return write_experiment(client, machines, trial_pythons, script, **fields)

    return write


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


def test_trials_share_the_gpus_that_they_may_use_and_leave_those_of_strangers_alone(
    client: Client, machines: list[m.TestMachine], trial_pythons: list[Path]
) -> None:
    script = """
        import os, time, nni
        start = time.time()
        nni.get_next_parameter()
        time.sleep(0.3)
        seen = os.environ["CUDA_VISIBLE_DEVICES"]
        own = os.environ["OWN"]
        nni.report_final_result({"default": 1, "start": start, "end": time.time(), "seen": seen, "own": own})
    """
    entries = [
        machines[0].entry(pythonPath=str(trial_pythons[0])),
        machines[2].entry(pythonPath=str(trial_pythons[0]), gpuIndices="1,3", maxTrialNumberPerGpu=2),
    ]
    own = {machines[2].address: {"maxTrials": 3, "trialEnvironment": {"OWN": "h3"}}}
    limits: dict[str, Any] = {"trialGpuNumber": 1, "trialConcurrency": 6, "maxTrialNumber": 100}
    machines[2].run("touch stranger-3")

    client.run("run", client.write_experiment(entries, script, **limits, ray={"machines": own}), "--detach")

    until(lambda: sum(trial["status"] == "SUCCEEDED" for trial in client.trials()) > 10)
    machines[2].run("rm stranger-3")
    freed = time.time()
    client.run("attach")
    trials = client.trials()
    assert len(trials) == 100
    assert {(trial["status"], trial["machine"], trial["metric"]["own"]) for trial in trials} == {
        ("SUCCEEDED", machines[2].address, "h3")
    }
    assert all(trial["gpuIndices"] == [int(trial["metric"]["seen"])] for trial in trials)
    spans = {
        gpu: [(t["metric"]["start"], t["metric"]["end"]) for t in trials if t["gpuIndices"] == [gpu]] for gpu in (1, 3)
    }
    assert sum(map(len, spans.values())) == 100
    assert freed < min(start for start, _ in spans[3]) < freed + 10
    assert most_at_once(spans[1]) == 2
    assert most_at_once(spans[3]) <= 2
    assert most_at_once(spans[1] + spans[3]) == 3


def test_two_experiments_at_once_share_gpus_and_machines_within_the_limits_of_both(
    client: Client, machines: list[m.TestMachine], trial_pythons: list[Path]
) -> None:
    script = """
        import os, time, nni
        while not os.path.exists(os.path.expanduser("~/go")):
            time.sleep(0.05)
        start = time.time()
        nni.get_next_parameter()
        time.sleep(0.05)
        seen = os.environ["CUDA_VISIBLE_DEVICES"]
        nni.report_final_result({"default": 1, "start": start, "end": time.time(), "seen": seen})
    """
    entries = [
        machines[0].entry(pythonPath=str(trial_pythons[0])),
        machines[2].entry(pythonPath=str(trial_pythons[0]), gpuIndices="1,3", maxTrialNumberPerGpu=2),
    ]
    # Together they want one place more than there is; a single one leaves room for the other.
    limits: dict[str, Any] = {"trialGpuNumber": 1, "trialConcurrency": 2, "maxTrialNumber": 30}
    ray: dict[str, Any] = {"machines": {machines[2].address: {"maxTrials": 3}}}
    known = client.home / ".ray-nni/experiments"
    before = set(known.glob("*.json"))
    # The trials of the second, which has no such limit, count all the same.
    for own in (ray, {}):
        client.run("run", client.write_experiment(entries, script, **limits, ray=own), "--detach")
    experiments = [file.stem for file in set(known.glob("*.json")) - before]
    for experiment in experiments:
        until(lambda name=experiment: any(trial["startTime"] for trial in client.json("trials", name)))
    machines[2].run("touch go")

    spans: dict[str, list[tuple[float, float]]] = {"1": [], "3": []}
    lives = []
    for experiment in experiments:
        assert client.json("attach", experiment)["trials"] == {"SUCCEEDED": 30}
        metrics = [trial["metric"] for trial in client.json("trials", experiment)]
        lives.append((min(metric["start"] for metric in metrics), max(metric["end"] for metric in metrics)))
        for metric in metrics:
            spans[metric["seen"]].append((metric["start"], metric["end"]))
    machines[2].run("rm go")

    assert most_at_once(lives) == 2
    assert sum(map(len, spans.values())) == 60
    assert [gpu for gpu in spans if not 1 <= most_at_once(spans[gpu]) <= 2] == []
    assert 2 <= most_at_once(spans["1"] + spans["3"]) <= 3


def most_at_once(spans: list[tuple[float, float]]) -> int:
    changes = sorted([(start, 1) for start, _ in spans] + [(end, -1) for _, end in spans])
    return max(accumulate(change for _, change in changes))


def test_trial_gpu_number_decides_what_a_trial_sees(client: Client, experiment: Any) -> None:
    script = """
        import os, nni
        nni.get_next_parameter()
        print(os.environ.get("CUDA_VISIBLE_DEVICES", "unset"))
        nni.report_final_result(1)
    """
    small: dict[str, Any] = {"maxTrialNumber": 4, "trialConcurrency": 2}
    of_none, of_all, of_two = at_once(
        client,
        experiment(script, **small, trialGpuNumber=0),
        experiment(script, **small),
        experiment(script, **small, trialGpuNumber=2),
    )

    assert printed(client, of_none) == {""}
    assert printed(client, of_all) == {"unset", "1,3"}
    assert printed(client, of_two) == {"1,3"}


def at_once(client: Client, *configs: Path) -> list[str]:
    """Run these experiments to their ends at the same time, and return their ids."""
    running = [client.start("run", config, "--json") for config in configs]
    ended = [process.communicate(timeout=150) for process in running]
    assert [process.returncode for process in running] == [0] * len(running), ended
    return [json.loads(out)["experiment"] for out, _ in ended]


def printed(client: Client, experiment: str) -> set[str]:
    """Return what the trials of an experiment printed; it is here once that has ended."""
    return {file.read_text().strip() for file in client.home.glob(f"nni-experiments/{experiment}/trials/*/stdout")}


def test_more_gpus_than_any_machine_offers_is_an_error_before_the_run(client: Client, experiment: Any) -> None:
    said = client.run("run", experiment(trialGpuNumber=3), code=2).stderr

    assert "a trial wants 3 GPUs, and no machine offers more than 2" in said


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
    both = at_once(client, *(experiment(maxTrialNumber=6, trialConcurrency=1) for _ in range(2)))
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
    client: Client, experiment: Any
) -> None:
    script = """
        import json, os, nni
        parameters = nni.get_next_parameter()
        load, save = parameters["load_checkpoint_dir"], parameters["save_checkpoint_dir"]
        weights = []
        if load != save:
            with open(os.path.join(load, "weights")) as file:
                weights = json.load(file)
        weights.append(save)
        os.umask(0)  # the machines' users differ
        os.makedirs(save)
        with open(os.path.join(save, "weights"), "w") as file:
            json.dump(weights, file)
        nni.report_final_result({"default": len(weights), "weights": weights})
    """
    # Of the disk both machines have this in common.
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        os.chmod(folder, 0o777)
        # Three on two machines in turn: the next step of a member is another machine's.
        pbt = {"optimize_mode": "maximize", "seed": 1, "population_size": 3, "all_checkpoint_dir": folder}
        tuner = {"name": "PBT", "classArgs": pbt}
        client.run("run", experiment(script, tuner=tuner, maxTrialNumber=12))
        trials = client.trials()

    assert [trial["value"] for trial in trials] == [1] * 3 + [2] * 3 + [3] * 3 + [4] * 3
    saved = {trial["parameters"]["save_checkpoint_dir"]: trial for trial in trials}
    inherited = [(saved[trial["parameters"]["load_checkpoint_dir"]], trial) for trial in trials[3:]]
    for former, trial in inherited:
        assert trial["metric"]["weights"][:-1] == former["metric"]["weights"]
    members = [{os.path.dirname(trial["parameters"]["save_checkpoint_dir"]) for trial in both} for both in inherited]
    machines = [{trial["machine"] for trial in both} for both in inherited]
    # At least once it was both: weights of another member, and of another machine.
    assert (2, 2) in [(len(member), len(machine)) for member, machine in zip(members, machines, strict=True)]


def test_code_arrives_as_it_is_once_and_each_trial_changes_its_own(client: Client, experiment: Any) -> None:
    script = """
        import hashlib, os, nni
        nni.get_next_parameter()
        found = []
        for parent, folders, files in os.walk("."):
            for name in sorted(folders + files):
                path = os.path.join(parent, name)
                link = os.readlink(path) if os.path.islink(path) else ""
                found.append((path, os.lstat(path).st_mode & 0o100, link))
        with open("data/large.bin", "r+b") as file:
            print(sorted(found), hashlib.sha256(file.read()).hexdigest())
            file.seek(0)
            file.write(b"mine")
        assert not os.path.exists("model.pt")
        open("model.pt", "w").close()
        nni.report_final_result(1)
    """
    config = experiment(script, maxTrialNumber=6)
    code = config.parent / "code"
    (code / "data").mkdir()
    (code / "data/Größe ✓.txt").touch()
    (code / "data/large.bin").write_bytes(bytes(12_000_000))
    (code / "run.sh").touch(0o755)
    (code / "link").symlink_to("data/large.bin")
    (code / "dangling").symlink_to("/no/such/file")
    (code / ".nniignore").write_text("*.log\n")
    (code / "old.log").touch()
    (code / "other.yml").write_text("trainingService: {machineList: [{host: a, password: hunter2}]}")

    first = client.run("run", config)
    trials = client.trials()
    printed = client.home.glob("nni-experiments/*/trials/*/stdout")
    ids = {trial["trialId"] for trial in trials}
    outputs = {file.read_text() for file in printed if file.parent.name in ids}
    (code / "trial.py").write_text((code / "trial.py").read_text() + "# changed\n")
    second = client.run("run", config)

    assert {trial["status"] for trial in trials} == {"SUCCEEDED"}
    assert len({trial["machine"] for trial in trials}) == 2
    assert len(outputs) == 1
    (said,) = outputs
    for part in ("'./data/Größe ✓.txt', 0", "'./run.sh', 64", "'/no/such/file'", "'data/large.bin'"):
        assert part in said
    assert hashlib.sha256(bytes(12_000_000)).hexdigest() in said
    assert "old.log" not in said
    assert "other.yml" not in said
    assert "are not sent to the machines: other.yml" in first.stderr
    assert "Sent 3 files of the code, 12 MB" in first.stderr
    assert "Sent" not in second.stderr
    assert {trial["status"] for trial in client.trials()} == {"SUCCEEDED"}


def test_code_goes_on_while_it_arrives_and_a_client_that_dies_meanwhile_leaves_no_experiment(
    client: Client, experiment: Any, machines: list[m.TestMachine]
) -> None:
    script = "import os, nni; nni.get_next_parameter(); nni.report_final_result(os.path.getsize('large.bin'))"
    config = experiment(script, maxTrialNumber=4)
    (config.parent / "code/large.bin").write_bytes(os.urandom(200_000_000))
    experiments = "ls .ray-nni/experiments 2>/dev/null || true"
    before = machines[0].run(experiments)
    # Large files have their digests for names there.
    size = "stat -c %s .ray-nni/code/*.part/[0-9a-f]* 2>/dev/null || true"

    def driver_runs() -> bool:
        return any("experiment.driver" in str(process) for process in machines[0].processes())

    dying = client.start("run", config)
    until(lambda: machines[0].run(size).strip(), poll_s=0.02)
    dying.send_signal(signal.SIGSTOP)
    # However fast the network is, and however slowly a driver starts: the file does not become whole.
    receiving = machines[0].pid_of("experiment.receive_code")
    machines[0].kill(receiving, signal.SIGSTOP)
    dying.send_signal(signal.SIGCONT)
    until(driver_runs)
    until(lambda: machines[2].run(size).strip() == machines[0].run(size).strip())
    dying.kill()
    dying.communicate()
    machines[0].kill(receiving, signal.SIGCONT)
    assert 0 < int(machines[0].run(size)) < 200_000_000
    until(lambda: not driver_runs())
    assert machines[0].run(experiments) == before
    result = client.json("run", config)

    assert result["trials"] == {"SUCCEEDED": 4}
    assert {trial["value"] for trial in client.trials()} == {200_000_000}
    assert {trial["machine"] for trial in client.trials()} == {machines[0].address, machines[2].address}
    assert machines[0].run("ls -d .ray-nni/code/*.part 2>/dev/null || true") == ""


def test_a_person_adds_kills_and_imports_and_at_last_deletes(
    client: Client, machines: list[m.TestMachine], experiment: Any
) -> None:
    script = "import time, nni; x = nni.get_next_parameter()['x']; time.sleep(0.5); nni.report_final_result(x)"
    running = client.json("run", experiment(script, trialConcurrency=1, maxTrialNumber=60), "--detach")
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


# The last of the module: the cluster is another one afterwards.
def test_changed_gpus_and_their_sharing_hold_for_the_next_run_on_the_cluster_that_is_up(
    client: Client, machines: list[m.TestMachine]
) -> None:
    script = """
        import time, nni
        start = time.time()
        nni.get_next_parameter()
        time.sleep(0.3)
        nni.report_final_result({"default": 1, "start": start, "end": time.time()})
    """
    machines[2].run("touch stranger-1")
    config = Path(json.loads(next((client.home / ".ray-nni/clusters").glob("*.json")).read_text())["config"])
    (config.parent / "code/trial.py").write_text(textwrap.dedent(script), encoding="utf-8")
    wanted = yaml.safe_load(config.read_text()) | {"trialGpuNumber": 1, "maxTrialNumber": 6}
    at_once_on = []
    for changed in (
        {"gpuIndices": "1", "maxTrialNumberPerGpu": 2, "useActiveGpu": True},
        {"gpuIndices": "1", "maxTrialNumberPerGpu": 1, "useActiveGpu": True},
    ):
        wanted["trainingService"]["machineList"][1].update(changed)
        config.write_text(yaml.safe_dump(wanted, sort_keys=False))
        # The first needs another node there, the second does not.
        restarted = f"{machines[2].address:<16}  worker up" in client.run("run", config).stderr
        trials = client.trials()
        assert [(trial["status"], trial["gpuIndices"]) for trial in trials] == [("SUCCEEDED", [1])] * 6
        spans = [(trial["metric"]["start"], trial["metric"]["end"]) for trial in trials]
        at_once_on.append((restarted, most_at_once(spans)))
    assert at_once_on == [(True, 2), (False, 1)]
