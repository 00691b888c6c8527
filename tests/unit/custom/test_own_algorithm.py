"""People's own classes, each in a process of a real guard, in every Python that there is."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from ray_remote_nni.custom.process import AlgorithmFailed, AlgorithmProcess

Start = Callable[..., AlgorithmProcess]

TUNER = """
    import os
    import nni
    from nni.tuner import Tuner
    from nni.utils import ClassArgsValidator, OptimizeMode, extract_scalar_reward
    from beside import FIRST

    here = os.path.dirname(__file__)

    class Mine(Tuner):
        def __init__(self, optimize_mode="maximize", most=2):
            self.mode = OptimizeMode(optimize_mode)
            self.most = most
            self.log = open(os.path.join(here, "seen.txt"), "a")

        def note(self, *what):
            self.log.write(repr(what) + "\\n")
            self.log.flush()

        def update_search_space(self, space):
            self.space = space

        def generate_parameters(self, parameter_id, **kwargs):
            if parameter_id >= self.most:
                raise nni.NoMoreTrialError("no more")
            return {"x": FIRST + parameter_id, "pair": tuple(self.space["x"])}

        def receive_trial_result(self, parameter_id, parameters, value, **kwargs):
            self.note("result", parameter_id, parameters, extract_scalar_reward(value), kwargs["trial_job_id"])

        def trial_end(self, parameter_id, success, **kwargs):
            self.note("end", parameter_id, success)

        def import_data(self, data):
            self.note("import", data)

    class Several(Tuner):
        def update_search_space(self, space):
            pass

        def generate_multiple_parameters(self, parameter_id_list, **kwargs):
            return [{"id": parameter_id} for parameter_id in parameter_id_list]

    class Later(Tuner):
        # Two at a time; what was asked for meanwhile is sent when both have come to their end.
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
            self.running[parameter_id] = {"id": parameter_id}
            return self.running[parameter_id]

        def receive_trial_result(self, parameter_id, parameters, value, **kwargs):
            assert self.running.pop(parameter_id) == parameters
            if not self.running:
                self.left = 2
            while self.wanted and self.left:
                parameter_id = self.wanted.pop(0)
                self.send(parameter_id, self.made(parameter_id))

    class Plain(Tuner):
        # As before NNI 1.0, and in some of its later documentation.

        def update_search_space(self, space):
            pass

        def generate_parameters(self, parameter_id):
            return {"id": parameter_id}

        def receive_trial_result(self, parameter_id, parameters, reward):
            assert (parameters["id"], reward) == (parameter_id, 7)

    class Compiled(Plain):
        # It does not tell what it takes, as much that is compiled.
        receive_trial_result = "".format

    class Broken(Several):
        def receive_trial_result(self, parameter_id, parameters, value, **kwargs):
            return 1 / 0

        def trial_end(self, parameter_id, success, **kwargs):
            raise ValueError("a message\\n  of two lines.")

        def import_data(self, data):
            raise ValueError("bad " + ",".join(["1"] * 1000))

    class Deadly(Several):
        def trial_end(self, parameter_id, success, **kwargs):
            os._exit(7)
"""
ASSESSOR = """
    from nni.assessor import Assessor, AssessResult

    class Results(Assessor):
        def assess_trial(self, trial_job_id, trial_history):
            return AssessResult.Good if trial_history[-1]["default"] > 0 else AssessResult.Bad

    class Bools(Assessor):
        def assess_trial(self, trial_job_id, trial_history):
            return len(trial_history) < 2

    class Documented(Assessor):
        def assess_trial(self, trial_history):
            return trial_history[-1] > 0

    class Compiled(Assessor):
        assess_trial = "".format

    class Nothing(Assessor):
        def assess_trial(self, trial_job_id, trial_history):
            pass
"""


@pytest.fixture
def code(tmp_path: Path) -> Path:
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "my_tuner.py").write_text(textwrap.dedent(TUNER), encoding="utf-8")
    (folder / "my_assessor.py").write_text(textwrap.dedent(ASSESSOR), encoding="utf-8")
    (folder / "beside.py").write_text("FIRST = 10\n", encoding="utf-8")
    (folder / "old.py").write_text("print 'python 2'\n", encoding="utf-8")
    return folder


def test_a_tuner_written_for_nni_runs_in_any_python(any_python: Path, start: Start, code: Path) -> None:
    tuner = start("my_tuner.Mine", any_python, optimize_mode="minimize")

    assert tuner.call("generate", ids=[0]) == [{"x": 10, "pair": [1, 100]}]
    tuner.call("report", id=0, kind="FINAL", sequence=0, value={"default": 0.5}, trial_id="abc")
    tuner.call("end", id=0, status="SUCCEEDED", trial_id="abc")
    assert tuner.call("generate", ids=[1, 2]) == [{"x": 11, "pair": [1, 100]}]
    assert tuner.call("generate", ids=[2]) == []
    tuner.call("learn", data=[{"parameter": {"x": 1}, "value": 2}])
    tuner.call("leave")

    assert (code / "seen.txt").read_text().splitlines() == [
        "('result', 0, {'x': 10, 'pair': (1, 100)}, 0.5, 'abc')",
        "('end', 0, True)",
        "('import', [{'parameter': {'x': 1}, 'value': 2}])",
    ]


def test_a_tuner_may_make_several_at_a_time_only(start: Start) -> None:
    assert start("my_tuner.Several").call("generate", ids=[3, 4]) == [{"id": 3}, {"id": 4}]


def test_trials_that_a_tuner_sends_later_are_those_that_were_asked_for(start: Start) -> None:
    tuner = start("my_tuner.Later")

    assert [tuner.call("generate", ids=[number]) for number in (0, 1, 2)] == [[{"id": 0}], [{"id": 1}], []]
    tuner.call("report", id=0, kind="FINAL", sequence=0, value=1, trial_id="a")
    tuner.call("end", id=0, status="SUCCEEDED", trial_id="a")
    assert tuner.call("generate", ids=[2]) == []
    assert not tuner.call("news")["at_hand"]
    tuner.call("report", id=1, kind="FINAL", sequence=0, value=1, trial_id="b")
    assert tuner.call("news")["at_hand"]
    assert [tuner.call("generate", ids=[number]) for number in (2, 3, 4)] == [[{"id": 2}], [{"id": 3}], []]
    tuner.call("report", id=3, kind="FINAL", sequence=0, value=1, trial_id="d")


def test_methods_without_the_keywords_of_nni_are_called_without_them(any_python: Path, start: Start) -> None:
    tuner = start("my_tuner.Plain", any_python)

    assert tuner.call("generate", ids=[0]) == [{"id": 0}]
    tuner.call("report", id=0, kind="FINAL", sequence=0, value=7, trial_id="a")
    documented = start("my_assessor.Documented", any_python)
    assert documented.call("assess", trial_id="a", history=[0, 1]) is True
    assert documented.call("assess", trial_id="a", history=[0, -1]) is False


def test_methods_that_do_not_tell_what_they_take_are_called_as_nni_calls_them(any_python: Path, start: Start) -> None:
    tuner = start("my_tuner.Compiled", any_python)

    assert tuner.call("generate", ids=[0]) == [{"id": 0}]
    tuner.call("report", id=0, kind="FINAL", sequence=0, value=7, trial_id="a")
    with pytest.raises(AlgorithmFailed, match="must be an AssessResult or a bool"):
        start("my_assessor.Compiled", any_python).call("assess", trial_id="a", history=[1])


def test_assessors_answer_with_a_result_or_with_a_bool(start: Start) -> None:
    results, bools = start("my_assessor.Results"), start("my_assessor.Bools")

    assert results.call("assess", trial_id="a", history=[{"default": 1}]) is True
    assert results.call("assess", trial_id="a", history=[{"default": 1}, {"default": -1}]) is False
    assert bools.call("assess", trial_id="a", history=[1]) is True
    assert bools.call("assess", trial_id="a", history=[1, 2]) is False


def test_an_assessor_that_answers_nothing_is_told_what_it_should(start: Start) -> None:
    with pytest.raises(AlgorithmFailed, match="must be an AssessResult or a bool"):
        start("my_assessor.Nothing").call("assess", trial_id="a", history=[1])


def test_an_exception_comes_with_the_users_file_and_line(start: Start, code: Path) -> None:
    tuner = start("my_tuner.Broken")
    tuner.call("generate", ids=[0])
    line = next(i for i, text in enumerate(textwrap.dedent(TUNER).splitlines(), 1) if "1 / 0" in text)

    with pytest.raises(AlgorithmFailed) as caught:
        tuner.call("report", id=0, kind="FINAL", sequence=0, value=1, trial_id="a")
    expected = f"tuner my_tuner.Broken failed: ZeroDivisionError: division by zero (my_tuner.py, line {line}, in "
    assert str(caught.value).startswith(expected)
    assert not caught.value.unfit
    with pytest.raises(AlgorithmFailed, match=r"failed: ValueError: a message of two lines \(my_tuner\.py, line"):
        tuner.call("end", id=0, status="FAILED", trial_id="a")
    with pytest.raises(AlgorithmFailed, match=r"failed: ValueError: bad 1,1,1,1.* … \(my_tuner\.py, line") as long:
        tuner.call("learn", data=[])
    assert len(str(long.value)) < 1000


@pytest.mark.parametrize(
    ("name", "words"),
    [("absent.Mine", "No module named 'absent'"), ("old.Mine", r"old\.py, line 1"), ("my_tuner.Absent", "Absent")],
)
def test_a_class_that_cannot_be_had_is_named(start: Start, name: str, words: str) -> None:
    with pytest.raises(AlgorithmFailed, match=words):
        start(name)


def test_a_process_that_dies_is_noticed(start: Start) -> None:
    with pytest.raises(AlgorithmFailed, match="exit code 7"):
        start("my_tuner.Deadly").call("end", id=0, status="SUCCEEDED", trial_id="a")


def test_a_python_that_is_not_there_is_unfit(start: Start) -> None:
    with pytest.raises(AlgorithmFailed) as caught:
        start("my_tuner.Mine", "/nowhere/python3")
    assert caught.value.unfit
