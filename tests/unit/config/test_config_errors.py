"""What is said about a config that cannot be used."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from config_texts import LOCAL, MINIMAL, Problems

from ray_remote_nni.config import ConfigInvalid, Problem, load_config

REMOTE = MINIMAL + "trainingService:\n  platform: remote\n  machineList:\n"


def only(problems: list[Problem]) -> Problem:
    assert len(problems) == 1, [str(problem) for problem in problems]
    return problems[0]


def test_a_problem_reads_as_place_field_message_and_remedy() -> None:
    problem = Problem("c.yml", 3, 7, "ray.tls", "error", "found 1; accepted: true or false", "Write true")
    assert str(problem) == "c.yml:3:7: ray.tls: found 1; accepted: true or false. Write true."
    assert str(Problem("c.yml", None, None, "", "error", "there is no such file")) == "c.yml: there is no such file."


def test_a_problem_has_the_keys_of_the_json_contract() -> None:
    problem = Problem("c.yml", 3, 7, "ray.tls", "warning", "text", None)
    assert json.loads(json.dumps(problem.to_json())) == {
        "file": "c.yml",
        "line": 3,
        "column": 7,
        "field": "ray.tls",
        "level": "warning",
        "message": "text",
        "remedy": None,
    }


def test_all_errors_of_a_file_come_at_once_in_order_of_lines(problems: Problems, tmp_path: Path) -> None:
    (tmp_path / "space.json").write_text('{"a": {"_type": "unifrom", "_value": [0, 1]}}')
    found = problems(
        "searchSpaceFile: space.json\n"
        "trialCodeDirectory: nowhere\n"
        "trialConcurrency: four\n"
        "maxTrialNumbr: 3\n"
        "tuner: {name: TPE, classArgs: {optimize_mode: best}}\n"
        "trainingService:\n"
        "  platform: remote\n"
        "  machineList:\n"
        "    - {host: a, user: u, port: 0}\n"
        "    - {host: b, sshKeyFile: ~/.ssh/nothing}\n"
    )
    assert [(problem.line, problem.field) for problem in found] == [
        (1, "trialCommand"),
        (2, "trialCodeDirectory"),
        (3, "trialConcurrency"),
        (4, "maxTrialNumbr"),
        (5, "tuner.classArgs.optimize_mode"),
        (9, "trainingService.machineList[0].port"),
        (10, "trainingService.machineList[1].user"),
        (10, "trainingService.machineList[1].sshKeyFile"),
        (1, "a._type"),
    ]
    assert found[-1].file == str(tmp_path / "space.json")


@pytest.mark.parametrize(
    ("lines", "field", "words"),
    [
        ("trialGpuNumber: -1", "trialGpuNumber", "found -1; accepted: a whole number of at least 0"),
        ("trialGpuNumber: true", "trialGpuNumber", "found true"),
        ("trialGpuNumber: 1.5", "trialGpuNumber", "found 1.5"),
        ("trialGpuNumber: [1]", "trialGpuNumber", "found a list of 1"),
        ("maxTrialNumber: 0", "maxTrialNumber", "a whole number of at least 1"),
        ("maxTrialDuration: 3 weeks", "maxTrialDuration", "found '3 weeks'; accepted: a time above zero"),
        ("maxExperimentDuration: 0s", "maxExperimentDuration", "above zero"),
        ("maxExperimentDuration: .inf", "maxExperimentDuration", "found .inf"),
        ("logLevel: loud", "logLevel", "trace, debug, info, warning, error or fatal"),
        ("debug: 3", "debug", "accepted: true or false"),
        ("experimentName: [a]", "experimentName", "found a list of 1; accepted: a text"),
        ("experimentType: nas", "experimentType", "accepted: hpo"),
        ("tunerGpuIndices: '1,1'", "tunerGpuIndices", "each once"),
        ("assessor: {name: Medianstp}", "assessor.name", "Medianstop or Curvefitting"),
        ("assessor: {name: Medianstop, classArgs: {start_stp: 3}}", "assessor.classArgs.start_stp", "no such argument"),
        ("assessor: {name: Medianstop, classArgs: {start_step: x}}", "assessor.classArgs.start_step", "at least 0"),
        ("assessor: {name: curve_fitting, classArgs: {gap: 0}}", "assessor.classArgs.gap", "at least 1"),
        ("assessor: {className: B}", "assessor.className", "such as my_assessor.MyAssessor"),
        ("assessor: Medianstop", "assessor", "found 'Medianstop'; accepted: a mapping"),
        ("ray: {trialMemory: 4 elephants}", "ray.trialMemory", "accepted: a size above zero"),
        ("ray: {trialEnvironment: {A: [1]}}", "ray.trialEnvironment.A", "found a list of 1; accepted: a text"),
        ("ray: {ports: {gcs: 99999}}", "ray.ports.gcs", "found 99999; accepted: a whole number from 1 to 65535"),
        ("ray: {bootstrap: sometimes}", "ray.bootstrap", "auto, always or never"),
        ("useAnnotation: true", "useAnnotation", "annotations are not supported"),
        ("advisor: {name: Hyperband}", "advisor", "there is a tuner too"),
    ],
)
def test_a_bad_value_names_what_was_found_and_what_is_accepted(
    problems: Problems, lines: str, field: str, words: str
) -> None:
    problem = only(problems(LOCAL + lines + "\n"))
    assert problem.field == field
    assert words in problem.message
    assert problem.line == 7


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("maxTrialNumbr", "the nearest is maxTrialNumber"),
        ("maxTrialNum", "in the v2 schema this is maxTrialNumber"),
        ("maxExecDuration", "in the v2 schema this is maxExperimentDuration"),
        ("logDir", "in the v2 schema this is experimentWorkingDirectory"),
        ("gpuIndices", "it belongs in trainingService or trainingService.machineList"),
        ("headNode", "it belongs in ray"),
        ("versionCheck", "this is a field of NNI's v1 schema"),
        ("zzzzzzz", "there is no such field"),
    ],
)
def test_an_unknown_field_comes_with_the_name_that_was_meant(problems: Problems, key: str, words: str) -> None:
    problem = only(problems(LOCAL + f"{key}: 1\n"))
    assert (problem.line, problem.column, problem.field) == (7, 1, key)
    assert words in problem.message


def test_a_misspelt_required_field_is_one_error_and_its_value_is_checked_all_the_same(problems: Problems) -> None:
    found = problems(LOCAL.replace("trialConcurrency: 2", "trialConcurency: none"))
    assert [(problem.field, problem.column) for problem in found] == [("trialConcurency", 1), ("trialConcurency", 18)]


def test_two_spellings_of_one_field_are_a_field_written_twice(problems: Problems) -> None:
    problem = only(problems(LOCAL + "trial_command: sh x.sh\n"))
    assert "the same field as trialCommand in line 3" in problem.message


@pytest.mark.parametrize("missing", ["searchSpace", "trialCommand", "trialConcurrency", "tuner", "trainingService"])
def test_a_missing_required_field_is_named(problems: Problems, missing: str) -> None:
    lines = LOCAL.splitlines(keepends=True)
    start = next(i for i, line in enumerate(lines) if line.startswith(missing))
    length = 2 if missing == "searchSpace" else 1
    problem = only(problems("".join(lines[:start] + lines[start + length :])))
    assert problem.field.removesuffix("File") == missing
    assert problem.remedy is not None


@pytest.mark.parametrize(
    ("service", "field", "words"),
    [
        ("{platform: local, machineList: []}", "trainingService.machineList", "no such field with platform local"),
        ("{platform: openpai}", "trainingService.platform", "found 'openpai'; accepted: local or remote"),
        ("{machineList: [{host: a, user: b}]}", "trainingService.platform", "this field is required"),
        ("remote", "trainingService", "found 'remote'; accepted: a mapping"),
        ("[{platform: local}, {platform: remote}]", "trainingService", "found 2 training services"),
        ("[]", "trainingService", "found an empty list"),
        ("{platform: remote}", "trainingService.machineList", "this field is required"),
        ("{platform: remote, machineList: []}", "trainingService.machineList", "at least one"),
        ("{platform: remote, machineList: {host: a}}", "trainingService.machineList", "a list of mappings"),
        ("{platform: remote, machineList: [a]}", "trainingService.machineList[0]", "a mapping of fields"),
        ("{platform: local, maxTrialNumberPerGpu: 2}", "trainingService.maxTrialNumberPerGpu", "no GPU of their own"),
    ],
)
def test_a_training_service_that_cannot_be_used(problems: Problems, service: str, field: str, words: str) -> None:
    found = problems(MINIMAL + f"trainingService: {service}\n")
    assert field in [problem.field for problem in found]
    assert any(words in problem.message for problem in found)


@pytest.mark.parametrize(
    ("machine", "field", "words"),
    [
        ("{host: u@h, user: u}", "host", "a host name or address"),
        ("{host: 'h:22', user: u}", "host", "a host name or address"),
        ("{user: u}", "host", "this field is required"),
        ("{host: h}", "user", "this field is required"),
        ("{host: h, user: u, port: 70000}", "port", "from 1 to 65535"),
        ("{host: h, user: u, password: ''}", "password", "accepted: a text that is not empty, or ask"),
        ("{host: h, user: u, sshKeyFile: nowhere}", "sshKeyFile", "there is no key file"),
        ("{host: h, user: u, gpuIndices: -1}", "gpuIndices", "none below zero"),
        ("{host: h, user: u, maxTrialNumberPerGpu: 0}", "maxTrialNumberPerGpu", "at least 1"),
        ("{host: h, user: u, ip: x}", "ip", "in the v2 schema this is host"),
    ],
)
def test_a_machine_that_cannot_be_used(problems: Problems, machine: str, field: str, words: str) -> None:
    problem = only(problems(REMOTE + f"    - {machine}\n"))
    assert problem.field == f"trainingService.machineList[0].{field}"
    assert problem.line == 9
    assert words in problem.message


def test_a_machine_that_is_listed_twice_is_an_error(problems: Problems) -> None:
    problem = only(problems(REMOTE + "    - {host: h, user: u}\n    - {host: g, user: u}\n    - {host: H, user: v}\n"))
    assert problem.field == "trainingService.machineList[2].host"
    assert "in line 9" in problem.message


def test_one_host_with_two_ports_is_two_machines(load: Problems) -> None:
    load(REMOTE + "    - {host: h, user: u}\n    - {host: h, port: 2222, user: u}\n")


def test_the_head_must_be_one_of_the_machines(problems: Problems) -> None:
    machines = "    - {host: node-1, user: u}\n    - {host: node-2, user: u}\n"
    problem = only(problems(REMOTE + machines + "ray: {headNode: node-3}\n"))
    assert problem.field == "ray.headNode"
    assert "node-1, node-2" in problem.message


@pytest.mark.parametrize(
    "tuner",
    ["{name: TPEE}", "{name: PPO}", "{classArgs: {}}", "TPE"],
)
def test_a_tuner_that_there_is_not_says_which_there_is(problems: Problems, tuner: str) -> None:
    problem = only(problems(LOCAL.replace("{name: TPE}", tuner)))
    assert problem.field.startswith("tuner")
    assert "TPE" in f"{problem.message} {problem.remedy}"


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ("{optimise_mode: maximize}", "optimise_mode"),
        ("{optimize_mode: max}", "optimize_mode"),
        ("{seed: -1}", "seed"),
        ("{seed: true}", "seed"),
        ("{tpe_args: {n_startup_jobs: many}}", "tpe_args.n_startup_jobs"),
        ("{tpe_args: {n_ei_candidates: 0}}", "tpe_args.n_ei_candidates"),
        ("{tpe_args: {linear_forgetting: 0}}", "tpe_args.linear_forgetting"),
        ("{tpe_args: {prior_weight: -1}}", "tpe_args.prior_weight"),
        ("{tpe_args: {gamma: 0}}", "tpe_args.gamma"),
        ("{tpe_args: {constant_liar_type: white}}", "tpe_args.constant_liar_type"),
        ("{tpe_args: {gama: 1}}", "tpe_args.gama"),
        ("{tpe_args: 3}", "tpe_args"),
    ],
)
def test_the_arguments_of_the_tuner_are_checked(problems: Problems, arguments: str, field: str) -> None:
    problem = only(problems(LOCAL.replace("{name: TPE}", f"{{name: TPE, classArgs: {arguments}}}")))
    assert problem.field == f"tuner.classArgs.{field}"


def test_both_kinds_of_search_space_are_one_too_many(problems: Problems) -> None:
    assert only(problems(LOCAL + "searchSpaceFile: x.json\n")).field == "searchSpace"


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        (None, 1, "there is no such file"),
        ("", 1, "is empty"),
        ('{\n "a": {"_type": "choice",\n "_value": [1, 2\n}', 4, "broken JSON"),
        ('{"a": 1,\n "a": 2}', 2, "this key is there twice"),
        ("[1]", 1, "no mapping"),
        ('{"a": {"_type": "uniform",\n  "_value": [0, "x"]}}', 2, 'found "x"; accepted: a number for high'),
    ],
)
def test_a_search_space_file_that_cannot_be_used(
    problems: Problems, tmp_path: Path, content: str | None, line: int, words: str
) -> None:
    if content is not None:
        (tmp_path / "space.json").write_text(content)
    problem = only(problems("searchSpaceFile: space.json\n" + LOCAL.split("\n", 2)[2]))
    assert problem.line == line
    assert words in problem.message


def test_an_inline_search_space_names_the_parameter_and_its_line(problems: Problems) -> None:
    text = LOCAL.replace("  lr: {_type: uniform, _value: [0.0, 1.0]}", "  lr:\n    _type: uniform\n    _value: [1, 0]")
    problem = only(problems(text))
    assert (problem.line, problem.field) == (4, "searchSpace.lr._value[0]")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "the file is empty"),
        (b"# nothing\n", "the file is empty"),
        (b"- a\n- b\n", "no mapping of fields"),
        (b"just text", "no mapping of fields"),
        (b"\x80\x81\xfe\xff", "not UTF-8 text"),
        (b"a: \0\0\0", "a binary file"),
        (b"a" * (10 * 1024 * 1024 + 1), "larger than 10 MB"),
    ],
)
def test_a_file_that_is_no_config(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "config.yml").write_bytes(content)
    with pytest.raises(ConfigInvalid, match=words):
        load_config(tmp_path / "config.yml", {})


def test_a_missing_file_and_a_directory_are_errors_too(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match=r"config.yml: there is no such file"):
        load_config(tmp_path / "config.yml", {})
    with pytest.raises(ConfigInvalid, match="this is a directory"):
        load_config(tmp_path, {})


SECRET = "hunter2"


@pytest.mark.parametrize(
    "machine",
    [
        f"{{host: h, user: u, port: 0, password: {SECRET}}}",
        f"{{host: h, user: u, pasword: {SECRET}}}",
        f"{{host: h, user: u, pwd: {SECRET}}}",
        f"{{host: h, user: u, password: [{SECRET}]}}",
        f"{{host: h, user: u, password: {{x: {SECRET}}}}}",
        f"{{host: h, user: u, password: *{SECRET}}}",
        f"{{host: h, user: u, password: !{SECRET}}}",
        f"{{host: h, user: u, password: '{SECRET}}}",
        f"{{host: h, user: u, password: {SECRET}: x}}",
        f'{{host: h, user: u, password: "\\{SECRET}"}}',
        f"{{host: h, user: u, sshPassphrase: [{SECRET}], port: ${{PORT}}}}",
        f"[host, h, password, {SECRET}]",
    ],
)
def test_no_message_holds_a_secret(problems: Problems, machine: str) -> None:
    found = problems(REMOTE + f"    - {machine}\n", {"PORT": f"{SECRET}"})
    assert SECRET not in "".join(str(problem) for problem in found)


@pytest.mark.parametrize(
    ("ports", "field", "words"),
    [
        ("{firstWorker: 21000}", "firstWorker", "lastWorker is missing"),
        ("{firstWorker: 21100, lastWorker: 21000}", "lastWorker", "below the first"),
        ("{gcs: 21000, metrics: 21000}", "metrics", "port 21000 is gcs's, too"),
        ("{gcs: 21050, firstWorker: 21000, lastWorker: 21100}", "gcs", "port 21050 is a worker's, too"),
        ("{gsc: 21000}", "gsc", "there is no such field; the nearest is gcs"),
    ],
)
def test_ports_that_do_not_go_together(problems: Problems, ports: str, field: str, words: str) -> None:
    problem = only(problems(LOCAL + f"ray: {{ports: {ports}}}\n"))
    assert problem.field == f"ray.ports.{field}"
    assert words in problem.message


def test_a_program_that_launches_an_experiment_is_told_what_to_write(tmp_path: Path) -> None:
    program = tmp_path / "main.py"
    program.write_text("from nni.experiment import Experiment\nexperiment = Experiment('local')\n", encoding="utf-8")
    with pytest.raises(ConfigInvalid) as refused:
        load_config(program, {})
    problem = only(refused.value.problems)
    assert "this is a Python program" in problem.message
    assert "a line NAME: VALUE for each experiment.config.NAME = VALUE" in str(problem.remedy)
