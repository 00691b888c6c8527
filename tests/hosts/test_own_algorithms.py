"""Tuners and assessors of the user's own: NNI's classes, in the trials' Python on the head."""

from __future__ import annotations

import textwrap
from pathlib import Path

import machines as m
from client import Client, until

TRIAL = """
    import sys, time, nni
    x = nni.get_next_parameter()["x"]
    if x == 1:
        nni.report_intermediate_result(x)
        time.sleep(100)
    nni.report_final_result({"default": x, "more": "text"})
    sys.exit(x == 2)
"""
SLOW_TRIAL = """
    import time, nni
    x = nni.get_next_parameter()["x"]
    time.sleep(2)
    nni.report_final_result(x)
"""
TUNER = """
    import os
    import nni
    from nni.tuner import Tuner
    from numbers_to_try import NUMBERS

    class Mine(Tuner):
        def __init__(self, fail=False):
            self.fail = fail

        def note(self, *what):
            with open(os.path.join(os.path.dirname(__file__), "seen.txt"), "a") as file:
                print(*what, file=file)

        def update_search_space(self, space):
            self.note("space", space)

        def generate_parameters(self, parameter_id, **kwargs):
            if self.fail:
                return NUMBERS[17]
            if parameter_id == len(NUMBERS):
                raise nni.NoMoreTrialError()
            return {"x": NUMBERS[parameter_id]}

        def receive_trial_result(self, parameter_id, parameters, value, **kwargs):
            self.note("result", parameter_id, parameters, value)

        def trial_end(self, parameter_id, success, **kwargs):
            self.note("end", parameter_id, success)
"""
ASSESSOR = """
    from nni.assessor import Assessor, AssessResult

    class Strict(Assessor):
        def assess_trial(self, trial_job_id, trial_history):
            return AssessResult.Bad
"""


def write(client: Client, machine: m.TestMachine, python: Path, **class_args: bool) -> Path:
    config = client.write_experiment(
        [machine.entry(pythonPath=str(python))],
        TRIAL,
        trialConcurrency=1,
        searchSpace={"free": [1, 100]},
        tuner={"codeDirectory": "own", "className": "mine.Mine", "classArgs": class_args},
        assessor={"codeDirectory": "own", "className": "strict.Strict"},
    )
    folder = config.parent / "own"
    folder.mkdir()
    for name, text in (("mine", TUNER), ("strict", ASSESSOR), ("numbers_to_try", "NUMBERS = [0, 1, 2]")):
        (folder / f"{name}.py").write_text(textwrap.dedent(text), encoding="utf-8")
    return config


def test_own_tuners_and_assessors_are_told_what_nni_tells_and_their_errors_end_the_experiment(
    client: Client, machines: list[m.TestMachine], trial_pythons: list[Path]
) -> None:
    head = machines[0]
    before = head.processes()
    client.run("up", write(client, head, trial_pythons[0]))

    done = client.json("run", write(client, head, trial_pythons[0]))

    assert (done["status"], done["best"]["value"]) == ("DONE", 0)
    assert [trial["status"] for trial in client.trials()] == ["SUCCEEDED", "EARLY_STOPPED", "FAILED"]
    seen = head.run(f"cat .ray-nni/experiments/{done['experiment']}/tuner-code/seen.txt").splitlines()
    assert seen == [
        "space {'free': [1, 100]}",
        "result 0 {'x': 0} {'default': 0, 'more': 'text'}",
        "end 0 True",
        "end 1 False",
        "result 2 {'x': 2} {'default': 2, 'more': 'text'}",
        "end 2 False",
    ]

    failed = client.json("run", write(client, head, trial_pythons[0], fail=True), code=1)
    assert failed["status"] == "ERROR"
    assert "IndexError" in failed["error"]
    assert "(mine.py, line 20, in generate_parameters)" in failed["error"]

    config = client.write_experiment(
        [head.entry(pythonPath=str(trial_pythons[0]))], SLOW_TRIAL, trialConcurrency=1, maxTrialNumber=3
    )
    experiment = client.json("run", config, "--detach")["experiment"]
    until(client.trials)
    (config.parent / "new.json").write_text('{"x": {"_type": "uniform", "_value": [5, 6]}}', encoding="utf-8")
    client.run("update", "--max-trials", "5", "--concurrency", "2", "--search-space", config.parent / "new.json")
    changed = client.json("attach", experiment)
    assert (changed["maxTrialNumber"], changed["trials"]) == (5, {"SUCCEEDED": 5})
    assert [5 <= trial["parameters"]["x"] <= 6 for trial in client.trials()][-2:] == [True, True]

    client.run("down")
    assert head.processes() == before
