"""Tuners, assessors and advisors of the user's own: NNI's classes, in the trials' Python on the head."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import machines as m
import pytest
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
PATIENT_TRIAL = """
    import os, time, nni
    x = nni.get_next_parameter()["x"]
    while not os.path.exists(os.path.expanduser("~/updated")):
        time.sleep(0.1)
    nni.report_final_result(x)
"""
#: Its trial with x = 1 hangs the first time.
HANGING_TRIAL = """
    import os, time, nni
    x = nni.get_next_parameter()["x"]
    if x == 1:
        first = os.path.expanduser("~/first")
        try:
            os.close(os.open(first, os.O_CREAT | os.O_EXCL))
            time.sleep(100)
        except FileExistsError:
            os.remove(first)
    nni.report_final_result(x)
"""
TUNER = """
    import os
    import time
    import nni
    from nni.tuner import Tuner
    from numbers_to_try import NUMBERS

    class Mine(Tuner):
        def __init__(self, fail=False, think=False):
            self.fail = fail
            self.think = think

        def note(self, *what):
            with open(os.path.join(os.path.dirname(__file__), "seen.txt"), "a") as file:
                print(*what, file=file)

        def update_search_space(self, space):
            self.note("space", space)

        def generate_parameters(self, parameter_id, **kwargs):
            if self.fail:
                return NUMBERS[17]
            while self.think and parameter_id > 0:
                time.sleep(1)
            if parameter_id == len(NUMBERS):
                raise nni.NoMoreTrialError()
            return {"x": NUMBERS[parameter_id]}

        def receive_trial_result(self, parameter_id, parameters, value, **kwargs):
            self.note("result", parameter_id, parameters, value)

        def trial_end(self, parameter_id, success, **kwargs):
            self.note("end", parameter_id, success)

        def import_data(self, data):
            self.note("import", data)
"""
#: Two trials at a time; what is asked for meanwhile it sends when both have come to their end.
LATER = """
    import nni
    from nni.tuner import Tuner

    class Later(Tuner):
        def __init__(self):
            self.running, self.left, self.wanted = {}, 2, []

        def update_search_space(self, space):
            pass

        def generate_parameters(self, parameter_id, **kwargs):
            self.send = kwargs["st_callback"]
            if not self.left:
                self.wanted.append(parameter_id)
                raise nni.NoMoreTrialError("no more now")
            return self.made(parameter_id)

        def made(self, parameter_id):
            self.left -= 1
            self.running[parameter_id] = {"x": 10 + parameter_id}
            return self.running[parameter_id]

        def receive_trial_result(self, parameter_id, parameters, value, **kwargs):
            assert self.running.pop(parameter_id) == parameters
            if not self.running:
                self.left = 2
            while self.wanted and self.left:
                parameter_id = self.wanted.pop(0)
                self.send(parameter_id, self.made(parameter_id))
"""
ADVISOR = """
    import nni
    from nni.runtime.msg_dispatcher_base import MsgDispatcherBase
    from nni.runtime.tuner_command_channel import CommandType
    from mine import Mine
    from numbers_to_try import NUMBERS

    class Advisor(MsgDispatcherBase):
        sent = 0
        note = Mine.note

        def handle_initialize(self, data):
            self.send(CommandType.Initialized, "")

        def handle_request_trial_jobs(self, data):
            for number in NUMBERS[self.sent:self.sent + 1]:
                trial = {"parameter_id": "p%d" % self.sent, "parameters": {"x": number}}
                self.send(CommandType.NewTrialJob, nni.dump(trial))
                self.sent += 1

        def handle_report_metric_data(self, data):
            value = nni.load(data["value"])
            self.note(data["type"], data["parameter_id"], value)
            if data["type"] == "PERIODICAL":
                self.send(CommandType.KillTrialJob, nni.dump(data["trial_job_id"]))

        def handle_trial_end(self, data):
            self.note("end", nni.load(data["hyper_params"])["parameter_id"], data["event"])
"""
ASSESSOR = """
    from nni.assessor import Assessor, AssessResult

    class Strict(Assessor):
        def assess_trial(self, trial_job_id, trial_history):
            return AssessResult.Bad
"""


MINE = {"className": "mine.Mine"}
STRICT = {"className": "strict.Strict"}


def write(client: Client, machine: m.TestMachine, python: Path, script: str, **algorithms: dict[str, Any]) -> Path:
    config = client.write_experiment(
        [machine.entry(pythonPath=str(python))],
        script,
        trialConcurrency=1,
        searchSpace={"free": [1, 100]},
        **{"tuner": None, **{kind: {"codeDirectory": "own", **own} for kind, own in algorithms.items()}},
    )
    folder = config.parent / "own"
    folder.mkdir()
    texts = {
        "mine": TUNER,
        "strict": ASSESSOR,
        "later": LATER,
        "both": ADVISOR,
        "numbers_to_try": "NUMBERS = [0, 1, 2]",
    }
    for name, text in texts.items():
        (folder / f"{name}.py").write_text(textwrap.dedent(text), encoding="utf-8")
    return config


@pytest.fixture(scope="module")
def head(machines: list[m.TestMachine]) -> m.TestMachine:
    return machines[0]


@pytest.fixture(scope="module")
def client(
    head: m.TestMachine, trial_pythons: list[Path], machines: list[m.TestMachine], tmp_path_factory: Any
) -> Iterator[Client]:
    """A client with a cluster of one machine that is up; all is as it was afterwards."""
    before = head.processes()
    client = Client(m.make_client_home(tmp_path_factory.mktemp("home"), machines))
    client.run("up", write(client, head, trial_pythons[0], TRIAL, tuner=MINE))
    yield client
    client.run("down")
    assert head.processes() == before


def seen(head: m.TestMachine, experiment: str) -> list[str]:
    return head.run(f"cat .ray-nni/experiments/{experiment}/tuner-code/seen.txt").splitlines()


def test_own_tuners_and_assessors_are_told_what_nni_tells_and_their_errors_end_the_experiment(
    client: Client, head: m.TestMachine, trial_pythons: list[Path]
) -> None:
    done = client.json("run", write(client, head, trial_pythons[0], TRIAL, tuner=MINE, assessor=STRICT))

    assert (done["status"], done["best"]["value"]) == ("DONE", 0)
    assert [trial["status"] for trial in client.trials()] == ["SUCCEEDED", "EARLY_STOPPED", "FAILED"]
    assert seen(head, done["experiment"]) == [
        "space {'free': [1, 100]}",
        "result 0 {'x': 0} {'default': 0, 'more': 'text'}",
        "end 0 True",
        "end 1 False",
        "result 2 {'x': 2} {'default': 2, 'more': 'text'}",
        "end 2 False",
    ]

    failing = {**MINE, "classArgs": {"fail": True}}
    config = write(client, head, trial_pythons[0], TRIAL, tuner=failing)
    failed = client.json("run", config, code=1)
    assert failed["status"] == "ERROR"
    assert "IndexError" in failed["error"]
    assert "(mine.py, line 22, in generate_parameters)" in failed["error"]
    assert "IndexError: list index out of range" in client.run("logs", "tuner").stdout
    assert "IndexError" in (client.home / "nni-experiments" / failed["experiment"] / "log/tuner.log").read_text()

    mine = config.parent / "own" / "mine.py"
    mine.write_text(mine.read_text(encoding="utf-8").replace("return NUMBERS[17]", "pass"), encoding="utf-8")
    (config.parent / "own" / "numbers_to_try.py").write_text("NUMBERS = [0]", encoding="utf-8")
    resumed = client.json("resume", failed["experiment"])
    assert (resumed["status"], resumed["trials"]) == ("DONE", {"SUCCEEDED": 1})
    # What the class had written beside itself is there still.
    assert [line.split()[0] for line in seen(head, failed["experiment"])] == ["space", "space", "result", "end"]


def test_trials_that_a_tuner_sends_later_run_when_it_does(
    client: Client, head: m.TestMachine, trial_pythons: list[Path]
) -> None:
    config = write(client, head, trial_pythons[0], TRIAL, tuner={"className": "later.Later"})
    text = config.read_text(encoding="utf-8").replace("trialConcurrency: 1", "trialConcurrency: 3")
    config.write_text(text, encoding="utf-8")

    done = client.json("run", config)

    assert (done["status"], done["trials"]) == ("DONE", {"SUCCEEDED": done["maxTrialNumber"]})


def test_a_tuner_that_thinks_for_ever_does_not_outlast_the_time_limit(
    client: Client, head: m.TestMachine, trial_pythons: list[Path]
) -> None:
    config = write(client, head, trial_pythons[0], TRIAL, tuner={**MINE, "classArgs": {"think": True}})
    config.write_text(config.read_text(encoding="utf-8") + "maxExperimentDuration: 36s\n", encoding="utf-8")

    ended = client.run("run", config)

    assert "DONE" in ended.stdout
    assert "nothing runs: the tuner has been thinking" in ended.stderr
    assert "your tuner or assessor was still busy" in ended.stderr
    assert [trial["status"] for trial in client.trials()] == ["SUCCEEDED"]


def test_an_own_advisor_is_told_every_result_and_may_end_trials(
    client: Client, head: m.TestMachine, trial_pythons: list[Path]
) -> None:
    done = client.json("run", write(client, head, trial_pythons[0], TRIAL, advisor={"className": "both.Advisor"}))

    assert done["status"] == "DONE"
    assert [trial["status"] for trial in client.trials()] == ["SUCCEEDED", "EARLY_STOPPED", "FAILED"]
    assert seen(head, done["experiment"]) == [
        "FINAL p0 {'default': 0, 'more': 'text'}",
        "end p0 SUCCEEDED",
        "PERIODICAL p1 1",
        "end p1 EARLY_STOPPED",
        "FINAL p2 {'default': 2, 'more': 'text'}",
        "end p2 FAILED",
    ]


def test_after_a_drivers_death_a_new_own_tuner_is_given_the_earlier_results(
    client: Client, head: m.TestMachine, trial_pythons: list[Path]
) -> None:
    config = write(client, head, trial_pythons[0], HANGING_TRIAL, tuner=MINE)
    experiment = client.json("run", config, "--detach")["experiment"]
    until(lambda: [trial["status"] for trial in client.trials()] == ["SUCCEEDED", "RUNNING"])
    until(lambda: "first" in head.run("ls"))
    (driver,) = (each.pid for each in head.processes() if "ray_remote_nni.experiment.driver" in each.command)
    head.kill(driver)

    resumed = client.json("resume", experiment)

    assert (resumed["status"], resumed["best"]["value"]) == ("DONE", 2)
    assert [trial["attempt"] for trial in client.trials()] == [1, 2, 1]
    assert seen(head, experiment) == [
        "space {'free': [1, 100]}",
        "result 0 {'x': 0} 0",
        "end 0 True",
        "space {'free': [1, 100]}",
        "import [{'parameter': {'x': 0}, 'value': 0}]",
        "import [{'parameter': {'x': 1}, 'value': 1}]",
        "result 2 {'x': 2} 2",
        "end 2 True",
    ]


def test_a_running_experiment_takes_another_space_and_other_limits(
    client: Client, head: m.TestMachine, trial_pythons: list[Path]
) -> None:
    config = client.write_experiment(
        [head.entry(pythonPath=str(trial_pythons[0]))], PATIENT_TRIAL, trialConcurrency=1, maxTrialNumber=3
    )
    experiment = client.json("run", config, "--detach")["experiment"]
    until(client.trials)
    (config.parent / "new.json").write_text('{"x": {"_type": "uniform", "_value": [5, 6]}}', encoding="utf-8")
    client.run("update", "--max-trials", "5", "--concurrency", "2", "--search-space", config.parent / "new.json")
    until(lambda: client.json("show", experiment)["maxTrialNumber"] == 5)
    head.run("touch updated")
    changed = client.json("attach", experiment)
    head.run("rm updated")
    assert (changed["maxTrialNumber"], changed["trials"]) == (5, {"SUCCEEDED": 5})
    assert [5 <= trial["parameters"]["x"] <= 6 for trial in client.trials()][-2:] == [True, True]
