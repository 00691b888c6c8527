"""Annotations: the search space that they mean, and the code that does the same."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
from config_texts import MINIMAL, Problems

from ray_remote_nni.config.annotations import Annotated, read_annotations


def read(tmp_path: Path, code: str, name: str = "train.py") -> Annotated:
    (tmp_path / name).write_text(code)
    return read_annotations(tmp_path, "code")


def written(annotated: Annotated) -> list[str]:
    return [(problem.remedy or "").partition(": ")[2] for problem in annotated.problems]


def test_a_variable_is_an_assignment_from_a_parameter(tmp_path: Path) -> None:
    annotated = read(tmp_path, '"""@nni.variable(nni.quniform(1, 9, 2), name=net.size)"""\nnet.size = 3\n')
    assert written(annotated) == ['net.size = nni.get_current_parameter("net.size")']
    assert annotated.space == {"net.size": {"_type": "quniform", "_value": [1, 9, 2]}}
    assert [(problem.file, problem.line, problem.column) for problem in annotated.problems] == [("code/train.py", 1, 1)]


def run_with(code: str, chosen: Any) -> dict[str, Any]:
    class Nni:
        @staticmethod
        def get_current_parameter(name: str) -> Any:
            return chosen

    names: dict[str, Any] = {"nni": Nni, "base": 2, "half": lambda x: x / 2, "double": lambda x: x * 2}
    exec(code, names)
    return names


@pytest.mark.parametrize(("index", "value"), [(0, "a"), (1, 3), (2, 7), (3, [1, 2])])
def test_a_choice_of_any_values_gives_in_the_rewritten_code_what_it_gave_in_nni(
    index: int, value: Any, tmp_path: Path
) -> None:
    annotated = read(tmp_path, "'''@nni.variable(nni.choice('a', 3, base + 5, [1, 2]), name=x)'''\nx = 0\n")
    [line] = written(annotated)
    assert run_with(line, annotated.space["x"]["_value"][index])["x"] == value


@pytest.mark.parametrize(("index", "value"), [(0, 2.5), (1, 9)])
def test_a_choice_of_functions_calls_the_chosen_one_alone(index: int, value: float, tmp_path: Path) -> None:
    annotated = read(tmp_path, "'''@nni.function_choice(half(3), double(4), name=half)'''\ny = half(3) + 1\n")
    [line] = written(annotated)
    assert annotated.space == {"half": {"_type": "choice", "_value": ["half(3)", "double(4)"]}}
    assert run_with(line, annotated.space["half"]["_value"][index])["y"] == value


def test_all_that_is_to_be_written_is_python(tmp_path: Path) -> None:
    code = (Path(__file__).parent / "golden/annotated/train.py").read_text()
    for line in filter(None, written(read(tmp_path, code))):
        ast.parse(line.replace("return ", "value = "))


def test_one_name_in_two_files_is_two_parameters_and_in_one_file_one(tmp_path: Path) -> None:
    code = '"""@nni.variable(nni.choice(1, 2), name=x)"""\nx = 0\n'
    read(tmp_path, code * 2, "a.py")
    assert list(read(tmp_path, code, "b.py").space) == ["x", "b.x"]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ('"""@nni.variable(nni.choice(1, 2), name=y)"""\nx = 0\n', "it names y, and x is assigned below it"),
        ('"""@nni.variable(nni.choice(1, 2), name=x)"""\n', "there is no statement below it"),
        ('"""@nni.variable(nni.choice(1, 2))"""\nx = 0\n', "it needs the argument name"),
        ('"""@nni.variable(nni.uniform(a, 2), name=x)"""\nx = 0\n', "found a; accepted: a number"),
        ('"""@nni.variable(nni.unifrom(0, 2), name=x)"""\nx = 0\n', "nni.unifrom is no type of a parameter"),
        ('"""@nni.variable("""\nx = 0\n', "it is no valid Python"),
        ('"""@nni.function_choice(f(1), name=f)"""\nx = g(1)\n', "none of its calls is in the statement below it"),
        ('"""@nni.mutable_layers({})"""\n', "architecture search"),
        ('"""@nni.variabel(nni.choice(1), name=x)"""\nx = 0\n', "there is no such annotation"),
        ('"""@nni.get_next_parameter()"""\nprint 1\n', "no valid Python"),
    ],
)
def test_an_annotation_that_nni_would_not_take_is_told_why(code: str, message: str, tmp_path: Path) -> None:
    [problem] = read(tmp_path, code).problems
    assert message in problem.message


def test_code_without_any_is_told_as_much(problems: Problems) -> None:
    [problem] = problems("useAnnotation: true\ntrialCommand" + MINIMAL.partition("trialCommand")[2] + LOCAL_SERVICE)
    assert "There is none in the Python files" in (problem.remedy or "")


@pytest.mark.parametrize(
    ("call", "instead", "values"),
    [
        ('nni.choice(1, "a", name="x")', 'nni.get_current_parameter("x")', [1, "a"]),
        (
            'nni.choice({"p": 2 + 3, "q": 4}, name="x")',
            "{'p': 2 + 3, 'q': 4}[nni.get_current_parameter(\"x\")]",
            ["p", "q"],
        ),
        ('nni.uniform(0, 1, name="x")', 'nni.get_current_parameter("x")', [0, 1]),
        ("nni.randint(0, 9)", 'nni.get_current_parameter("line2")', [0, 9]),
        ('nni.function_choice(f, g, name="x")', "{'f': f, 'g': g}[nni.get_current_parameter(\"x\")]()", ["f", "g"]),
    ],
)
def test_the_functions_of_the_oldest_nni_are_parameters_too(
    call: str, instead: str, values: list[Any], tmp_path: Path
) -> None:
    annotated = read(tmp_path, f"import nni\nprint({call})\n")
    assert written(annotated) == [instead]
    assert [spec["_value"] for spec in annotated.space.values()] == [values]


def test_an_annotation_is_not_taken_for_a_call_as_well(tmp_path: Path) -> None:
    assert len(read(tmp_path, '"""@nni.variable(nni.choice(1, 2), name=x)"""\nx = 0\n').problems) == 1


LOCAL_SERVICE = "trainingService: {platform: local}\n"
