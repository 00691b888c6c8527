"""The stand-in `nni`, in every Python of this machine."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

STANDIN = Path(__file__).parents[3] / "ray_remote_nni" / "trial" / "standin"
PARAMETERS = {"lr": 0.1, "layer": {"_name": "conv", "size": 3}, "näme": "ü"}

# Loads the stand-in while site-packages is off the path, then puts it back for numpy.
HIDE_REAL_NNI = """if True:
    import sys
    packages = [entry for entry in sys.path if 'site-packages' in entry]
    sys.path = [entry for entry in sys.path if entry not in packages]
    import nni
    assert 'numpy' not in sys.modules
    sys.path.extend(packages)
"""


class Trial:
    """A trial's surroundings, as an experiment makes them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        record = {"parameter_id": 7, "parameter_source": "algorithm", "parameters": PARAMETERS, "parameter_index": 0}
        (folder / "parameter.cfg").write_text(json.dumps(record, ensure_ascii=False), encoding="utf-8")
        self.environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(STANDIN),
            "PYTHONDONTWRITEBYTECODE": "1",
            "NNI_PLATFORM": "local",
            "NNI_EXP_ID": "k3f9x2ab",
            "NNI_TRIAL_JOB_ID": "AbCdE",
            "NNI_TRIAL_SEQ_ID": "4",
            "NNI_SYS_DIR": str(folder),
            "NNI_OUTPUT_DIR": str(folder),
            "REUSE_MODE": "false",
        }

    def run(self, python: Path, code: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [python, "-c", code], env=self.environment, capture_output=True, text=True, cwd=self.folder, timeout=120
        )

    def output(self, python: Path, code: str) -> str:
        done = self.run(python, code)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def records(self) -> list[dict[str, Any]]:
        """The records of the metrics file, each with its length checked and its value parsed."""
        rest = (self.folder / ".nni" / "metrics").read_bytes()
        records = []
        while rest:
            assert rest[:2] == b"ME"
            length = int(rest[2:8])
            line, rest = rest[8 : 8 + length], rest[8 + length :]
            assert len(line) == length
            assert line.endswith(b"\n")
            record = json.loads(line)
            records.append({**record, "value": json.loads(record["value"])})
        return records


@pytest.fixture
def trial(tmp_path: Path) -> Trial:
    return Trial(tmp_path)


@pytest.fixture
def outside(trial: Trial) -> Trial:
    trial.environment = {name: value for name, value in trial.environment.items() if not name.startswith("NNI_")}
    return trial


def test_a_trial_gets_its_parameters_and_knows_who_it_is(any_python: Path, trial: Trial) -> None:
    code = (
        "import json, nni\n"
        "before = nni.get_current_parameter()\n"
        "print(json.dumps([before, nni.get_next_parameter(), nni.get_current_parameter(),"
        " nni.get_current_parameter('lr'), nni.get_experiment_id(), nni.get_trial_id(), nni.get_sequence_id()]))"
    )
    assert json.loads(trial.output(any_python, code)) == [None, PARAMETERS, PARAMETERS, 0.1, "k3f9x2ab", "AbCdE", 4]


def test_its_results_arrive_as_nni_writes_them(any_python: Path, trial: Trial) -> None:
    code = (
        "import nni\n"
        "nni.get_next_parameter()\n"
        "nni.report_intermediate_result(0.5)\n"
        "nni.report_intermediate_result({'default': 0.75, 'n\\u00e4me': [1, '\\u00fc']})\n"
        "nni.report_final_result(1)\n"
    )
    trial.output(any_python, code)
    common = {"parameter_id": 7, "trial_job_id": "AbCdE"}
    assert trial.records() == [
        {**common, "type": "PERIODICAL", "sequence": 0, "value": 0.5},
        {**common, "type": "PERIODICAL", "sequence": 1, "value": {"default": 0.75, "näme": [1, "ü"]}},
        {**common, "type": "FINAL", "sequence": 0, "value": 1},
    ]


@pytest.mark.parametrize("real", ["nni_3_python", "nni_2_python"])
def test_the_same_script_leaves_the_same_bytes_with_the_real_nni(
    real: str, request: pytest.FixtureRequest, trial: Trial
) -> None:
    python = request.getfixturevalue(real)
    code = """if True:
        import nni, numpy
        parameters = nni.get_next_parameter()
        for metric in (numpy.float32(0.5), 0.1, float('nan'), -float('inf'), True, None, 'text', [1, (2,)]):
            nni.report_intermediate_result(metric)
        nni.report_intermediate_result({'default': numpy.int64(3), 'other': numpy.arange(3), 'parameters': parameters})
        nni.report_final_result({'default': 1.0, 'ü': 'x' * 900000})
    """
    metrics = trial.folder / ".nni" / "metrics"
    trial.output(python, code)
    with_real = metrics.read_bytes()
    metrics.unlink()
    trial.output(python, HIDE_REAL_NNI + code)
    assert metrics.read_bytes() == with_real


def test_not_a_number_and_infinity_arrive(any_python: Path, trial: Trial) -> None:
    trial.output(
        any_python,
        "import nni\n"
        "nni.get_next_parameter()\n"
        "for value in ('nan', 'inf', '-inf'): nni.report_intermediate_result(float(value))",
    )
    assert [repr(record["value"]) for record in trial.records()] == ["nan", "inf", "-inf"]


def test_a_second_call_returns_the_same_parameters_with_a_warning(any_python: Path, trial: Trial) -> None:
    code = "import nni; nni.get_next_parameter(); print(nni.get_next_parameter()['lr']); nni.report_final_result(1)"
    done = trial.run(any_python, code)
    assert done.stdout == "0.1\n"
    assert "called again" in done.stderr
    assert [record["parameter_id"] for record in trial.records()] == [7]


def test_a_metric_of_900_kilobytes_arrives_and_a_longer_one_than_the_protocol_carries_does_not(
    any_python: Path, trial: Trial
) -> None:
    code = (
        "import nni\n"
        "nni.get_next_parameter()\n"
        "nni.report_intermediate_result('x' * 900000)\n"
        "try: nni.report_intermediate_result('x' * 999999)\n"
        "except ValueError as error: print(error)\n"
        "nni.report_final_result(1)"
    )
    assert "999999" in trial.output(any_python, code)
    assert [record["value"] for record in trial.records()] == ["x" * 900_000, 1]


def test_results_before_parameters_are_refused_as_in_nni(any_python: Path, trial: Trial) -> None:
    done = trial.run(any_python, "import nni; nni.report_final_result(1)")
    assert done.returncode == 1
    assert "AssertionError: call nni.get_next_parameter()" in done.stderr


def test_outside_an_experiment_a_script_runs_by_hand(any_python: Path, outside: Trial) -> None:
    code = (
        "import nni\n"
        "print(nni.get_next_parameter(), nni.get_experiment_id(), nni.get_trial_id(), nni.get_sequence_id())\n"
        "nni.report_intermediate_result(0.5)\n"
        "nni.report_final_result({'default': 1})"
    )
    done = outside.run(any_python, code)
    assert done.returncode == 0, done.stderr
    first, second, third = done.stdout.splitlines()
    assert first == "{} STANDALONE STANDALONE 0"
    assert second.endswith("Intermediate result: 0.5  (Index 0)")
    assert third.endswith("Final result: {'default': 1}")
    assert "RuntimeWarning" in done.stderr
    assert not (outside.folder / ".nni").exists()


@pytest.mark.parametrize(
    "statement",
    [
        "import nni.algorithms.hpo.tpe_tuner",
        "from nni.experiment import Experiment",
        "from nni import Experiment",
        "nni.trace(object)",
        "from nni.utils import json2space",
        "nni.utils.json2space",
    ],
)
def test_what_the_stand_in_lacks_is_an_import_error_that_says_what_to_install(
    any_python: Path, trial: Trial, statement: str
) -> None:
    code = f"import nni\ntry: {statement}\nexcept ImportError as error: print(error)"
    message = trial.output(any_python, code)
    assert f'{any_python} -m pip install nni "setuptools<81"' in message


def test_tools_may_look_for_underscored_names(any_python: Path, trial: Trial) -> None:
    assert (
        trial.output(any_python, "import nni; print(hasattr(nni, '__wrapped__'), hasattr(nni, '_C'))")
        == "False False\n"
    )


def test_several_processes_of_a_trial_report_at_once(any_python: Path, trial: Trial) -> None:
    code = (
        "import nni, os\n"
        "nni.get_next_parameter()\n"
        "children = [os.fork() for _ in range(3)]\n"
        "for number in range(200): nni.report_intermediate_result({'default': number, 'filling': 'x' * 5000})\n"
        "for child in children:\n"
        "    if child: os.waitpid(child, 0)\n"
    )
    trial.output(any_python, code)
    assert len(trial.records()) == 8 * 200


def test_merge_parameter_keeps_the_types_of_the_scripts_own(any_python: Path, trial: Trial) -> None:
    code = """if True:
        from argparse import Namespace
        from nni.utils import merge_parameter
        arguments = Namespace(lr=0.5, size=3, name=None, flag=True)
        assert merge_parameter(arguments, {'lr': 1, 'size': 4, 'name': 'x'}) is arguments
        print(arguments)
        print(merge_parameter({'lr': 0.5}, {'lr': 1}), merge_parameter({'lr': 0.5}, None))
        for wrong in ({'size': 4.0}, {'size': None}, {'unknown': 1}, {'flag': 2}):
            try: merge_parameter(Namespace(lr=0.5, size=3, name=None, flag=True), wrong)
            except ValueError: print('refused')
    """
    namespace, mappings, *refused = trial.output(any_python, code).splitlines()
    assert namespace.startswith("Namespace(")
    assert all(text in namespace for text in ("lr=1.0", "size=4", "name='x'", "flag=True"))
    assert mappings == "{'lr': 1.0} {'lr': 0.5}"
    assert refused == ["refused"] * 4


def test_scalars_of_numpy_are_numbers_and_numpy_is_not_imported_for_it(nni_3_python: Path, trial: Trial) -> None:
    code = """if True:
        import nni, numpy
        nni.get_next_parameter()
        for value in (numpy.float32(0.5), numpy.int64(3), numpy.bool_(True), numpy.array(2.5), numpy.float64('nan')):
            nni.report_intermediate_result({'default': value})
        nni.report_final_result({'default': numpy.mean([1, 2]), 'each': numpy.array([1, 2]), 'other': {3}})
    """
    trial.output(nni_3_python, HIDE_REAL_NNI + code)
    values = [record["value"] for record in trial.records()]
    assert [repr(value["default"]) for value in values] == ["0.5", "3", "True", "2.5", "nan", "1.5"]
    assert values[-1]["each"] == {"__ndarray__": [1, 2], "dtype": "int64", "shape": [2]}
    assert values[-1]["other"] == "{3}"
