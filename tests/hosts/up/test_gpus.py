"""Trials on GPUs: each sees its own, and no GPU or machine has more of them than its owner allows."""

from __future__ import annotations

import json
import textwrap
import time
from itertools import accumulate
from pathlib import Path
from typing import Any

import machines as m
import yaml
from client import Client, until


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
    of_none, of_all, of_two = client.run_at_once(
        experiment(script, **small, trialGpuNumber=0),
        experiment(script, **small),
        experiment(script, **small, trialGpuNumber=2),
    )

    assert printed(client, of_none) == {""}
    assert printed(client, of_all) == {"unset", "1,3"}
    assert printed(client, of_two) == {"1,3"}


def printed(client: Client, experiment: str) -> set[str]:
    """Return what the trials of an experiment printed; it is here once that has ended."""
    return {file.read_text().strip() for file in client.home.glob(f"nni-experiments/{experiment}/trials/*/stdout")}


def test_more_gpus_than_any_machine_offers_is_an_error_before_the_run(client: Client, experiment: Any) -> None:
    said = client.run("run", experiment(trialGpuNumber=3), code=2).stderr

    assert "a trial wants 3 GPUs, and no machine offers more than 2" in said


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
