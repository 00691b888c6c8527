"""People's own advisors: classes written for NNI 1.x, 2.x and 3.0, with the real `nni` and without."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ray_remote_nni.custom.process import AlgorithmFailed, AlgorithmProcess

Start = Callable[..., AlgorithmProcess]

ADVISOR = """
    import json
    import os
    import nni
    from nni.runtime.msg_dispatcher_base import MsgDispatcherBase
    from nni.runtime.tuner_command_channel import CommandType
    from nni.utils import MetricType, extract_scalar_reward

    here = os.path.dirname(__file__)

    class Mine(MsgDispatcherBase):
        def __init__(self, most=3, held_back=0):
            super().__init__()
            self.most = most
            self.held_back = held_back
            self.sent = 0
            self.owed = 0

        def note(self, *what):
            with open(os.path.join(here, "seen.txt"), "a") as file:
                file.write(json.dumps(what) + "\\n")

        def load_checkpoint(self):
            self.note("load")

        def handle_initialize(self, data):
            self.handle_update_search_space(data)
            self.send(CommandType.Initialized, "")

        def handle_update_search_space(self, data):
            self.note("space", data)

        def handle_request_trial_jobs(self, data):
            self.note("request", data)
            self.owed += data
            self.pay()

        def pay(self):
            while self.owed and self.sent < self.most - self.held_back:
                trial = {"parameter_id": str(self.sent), "parameters": {"x": self.sent}}
                self.send(CommandType.NewTrialJob, nni.dump(dict(trial, parameter_source="algorithm")))
                self.sent += 1
                self.owed -= 1
            if self.owed:
                self.send(CommandType.NoMoreTrialJobs, nni.dump({"parameter_id": "0_0", "parameters": ""}))

        def handle_report_metric_data(self, data):
            if self.is_created_in_previous_exp(data["parameter_id"]):
                raise ValueError("none was")
            value = extract_scalar_reward(nni.load(data["value"]))
            self.note(data["type"], data["parameter_id"], data["trial_job_id"], data["sequence"], value)
            if data["type"] == MetricType.PERIODICAL and value < 0:
                self.send(CommandType.KillTrialJob, nni.dump(data["trial_job_id"]))
            if value == 17:
                self.report_error("seventeen")

        def handle_trial_end(self, data):
            parameter_id = nni.load(data["hyper_params"])["parameter_id"]
            self.note("end", parameter_id, data["trial_job_id"], data["event"])
            self.held_back = 0
            self.pay()
"""
#: As NNI's own example has it: the modules of 1.x, metrics that are numbers, and trials that nobody has asked for.
OLD_ADVISOR = """
    import json_tricks
    from nni import parameter_expressions
    from nni.msg_dispatcher_base import MsgDispatcherBase
    from nni.protocol import CommandType, send
    from nni.utils import MetricType

    class Draws:
        def uniform(self, low, high):
            return high

    class Old(MsgDispatcherBase):
        def handle_initialize(self, data):
            self.range = data["x"]
            send(CommandType.Initialized, "")

        def handle_request_trial_jobs(self, data):
            x = parameter_expressions.uniform(*self.range, Draws())
            send(CommandType.NewTrialJob, json_tricks.dumps({"parameter_id": 1, "parameters": {"x": x}}))

        def handle_trial_end(self, data):
            pass

        def handle_report_metric_data(self, data):
            if data["value"] > 0.5 and not data["value"] <= 0.25:
                self.handle_request_trial_jobs(1)
"""
#: What an advisor needs of NNI 2.7 and before, which is for Pythons that are not everywhere: commands go to a pipe.
OLD_NNI = {
    "__init__": "from json import dumps as dump, loads as load",
    "runtime/__init__": "",
    "utils": """
        class MetricType:
            PERIODICAL = "PERIODICAL"
    """,
    "parameter_expressions": """
        def uniform(low, high, random_state):
            return -random_state.uniform(low, high)
    """,
    "runtime/protocol": """
        from enum import Enum

        class CommandType(Enum):
            Initialize = b"IN"
            RequestTrialJobs = b"GE"
            ReportMetricData = b"ME"
            TrialEnd = b"EN"
            Initialized = b"ID"
            NewTrialJob = b"TR"

        try:
            _in_file, _out_file = open(3, "rb"), open(4, "wb")
        except OSError:
            pass

        def send(command, data):
            data = data.encode("utf8")
            _out_file.write(b"%b%14d%b" % (command.value, len(data), data))
            _out_file.flush()
    """,
    "runtime/msg_dispatcher_base": """
        from .protocol import CommandType

        class MsgDispatcherBase:
            def handle_import_data(self, data):
                raise NotImplementedError

            def process_command(self, command, data):
                handlers = {
                    CommandType.Initialize: self.handle_initialize,
                    CommandType.RequestTrialJobs: self.handle_request_trial_jobs,
                    CommandType.ReportMetricData: self.handle_report_metric_data,
                    CommandType.TrialEnd: self.handle_trial_end,
                }
                handlers[command](data)
    """,
}


@pytest.fixture
def code(tmp_path: Path) -> Path:
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "my_advisor.py").write_text(textwrap.dedent(ADVISOR), encoding="utf-8")
    (folder / "old_advisor.py").write_text(textwrap.dedent(OLD_ADVISOR), encoding="utf-8")
    return folder


@pytest.fixture(params=["stand-in", "NNI 3.0", "NNI 2.10"])
def python(request: pytest.FixtureRequest) -> Path:
    """A Python without `nni`, the oldest, and those that have the real one."""
    names = {"stand-in": "old_python", "NNI 3.0": "nni_3_python", "NNI 2.10": "nni_2_python"}
    found: Path = request.getfixturevalue(names[request.param])
    return found


def report(advisor: AlgorithmProcess, id: int, value: Any, sequence: int = 0, kind: str = "PERIODICAL") -> None:
    advisor.call("report", id=id, kind=kind, sequence=sequence, value=value, trial_id=f"trial{id}")


def test_an_advisor_is_told_all_that_nni_tells_and_what_it_sends_is_heeded(
    start: Start, code: Path, python: Path
) -> None:
    advisor = start("my_advisor.Mine", python)

    assert advisor.call("generate", ids=[0]) == [{"x": 0}]
    assert advisor.call("generate", ids=[1]) == [{"x": 1}]
    report(advisor, 0, {"default": 0.5, "more": "text"})
    assert advisor.call("news") == {"kills": [], "at_hand": False}
    report(advisor, 1, -0.5, sequence=3)
    assert advisor.call("news") == {"kills": ["trial1"], "at_hand": False}
    assert advisor.call("news") == {"kills": [], "at_hand": False}
    report(advisor, 0, 0.75, kind="FINAL")
    advisor.call("end", id=0, status="SUCCEEDED", trial_id="trial0")
    advisor.call("end", id=1, status="EARLY_STOPPED", trial_id="trial1")
    advisor.call("update", search_space={"x": "another"})
    advisor.call("learn", data=[{"parameter": {"x": 1}, "value": 2}])
    advisor.call("leave")

    assert [json.loads(line) for line in (code / "seen.txt").read_text().splitlines()] == [
        ["space", {"x": [1, 100]}],
        ["request", 1],
        ["request", 1],
        ["PERIODICAL", "0", "trial0", 0, 0.5],
        ["PERIODICAL", "1", "trial1", 3, -0.5],
        ["FINAL", "0", "trial0", 0, 0.75],
        ["end", "0", "trial0", "SUCCEEDED"],
        ["end", "1", "trial1", "EARLY_STOPPED"],
        ["space", {"x": "another"}],
    ]


def test_an_advisor_written_for_nni_1_runs(start: Start, python: Path) -> None:
    advisor = start("old_advisor.Old", python)

    assert advisor.call("generate", ids=[0]) == [{"x": 100}]
    report(advisor, 0, 0.25)
    assert advisor.call("news")["at_hand"] is False
    report(advisor, 0, 0.75, sequence=1)
    assert advisor.call("news")["at_hand"] is True
    assert advisor.call("generate", ids=[1]) == [{"x": 100}]
    assert advisor.call("news")["at_hand"] is False


def test_an_advisor_runs_where_nni_has_a_pipe_for_its_commands(start: Start, code: Path) -> None:
    (code / "nni/runtime").mkdir(parents=True)
    for name, text in OLD_NNI.items():
        (code / f"nni/{name}.py").write_text(textwrap.dedent(text), encoding="utf-8")
    advisor = (code / "old_advisor.py").read_text()
    advisor = advisor.replace("nni.msg_dispatcher_base", "nni.runtime.msg_dispatcher_base")
    (code / "old_advisor.py").write_text(advisor.replace("nni.protocol", "nni.runtime.protocol"))

    process = start("old_advisor.Old")

    assert process.call("generate", ids=[0]) == [{"x": -100}]
    report(process, 0, 0.75)
    process.call("end", id=0, status="SUCCEEDED", trial_id="trial0")
    process.call("learn", data=[{"parameter": {"x": 1}, "value": 2}])
    assert process.call("news")["at_hand"] is True


def test_an_advisor_that_owes_trials_is_asked_again_only_for_places_that_have_become_free(
    start: Start, code: Path
) -> None:
    advisor = start("my_advisor.Mine", most=4, held_back=2)

    assert [advisor.call("generate", ids=[id]) for id in (0, 1, 2, 2)] == [[{"x": 0}], [{"x": 1}], [], []]
    assert advisor.call("news")["at_hand"] is False
    advisor.call("end", id=0, status="SUCCEEDED", trial_id="trial0")
    assert advisor.call("news")["at_hand"] is True
    assert [advisor.call("generate", ids=[id]) for id in (2, 3, 4)] == [[{"x": 2}], [{"x": 3}], []]
    advisor.call("end", id=1, status="SUCCEEDED", trial_id="trial1")
    advisor.call("end", id=2, status="FAILED", trial_id="trial2")
    assert advisor.call("generate", ids=[4]) == []

    seen = [json.loads(line) for line in (code / "seen.txt").read_text().splitlines()]
    assert [what[1] for what in seen if what[0] == "request"] == [1, 1, 1, 1, 1, 2]


def test_an_error_that_an_advisor_reports_ends_it(start: Start) -> None:
    advisor = start("my_advisor.Mine")
    advisor.call("generate", ids=[0])
    with pytest.raises(AlgorithmFailed, match=r"tuner my_advisor\.Mine failed: RuntimeError: seventeen"):
        report(advisor, 0, 17)


def test_an_advisor_that_goes_on_loads_its_checkpoint_before_it_takes_the_space(start: Start, code: Path) -> None:
    start("my_advisor.Mine", resumed=True)
    assert [json.loads(line)[0] for line in (code / "seen.txt").read_text().splitlines()] == ["load", "space"]
