"""`check` and `schema`: what they show of a config, and of one that is bad."""

from __future__ import annotations

from pathlib import Path

import pytest
from typed_command import Type


def test_a_good_configuration_is_valid(typed: Type, config: Path) -> None:
    said = typed("check", str(config))
    assert said.code == 0
    assert "config.yml is valid" in said.err


def test_a_good_configuration_is_shown_with_all_that_it_will_do(typed: Type, config: Path) -> None:
    said = typed("check", str(config))
    for part in ("this machine", "python3 t.py", "uniform", "low 0, high 1", "Tuner: TPE", "linear_forgetting"):
        assert part in said.out
    assert "there is no t.py" in said.err


def test_as_json_it_is_there_as_a_v2_config(typed: Type, config: Path) -> None:
    document = typed("check", "--json", str(config)).json
    assert document["config"]["trialCommand"] == "python3 t.py"
    assert [problem["field"] for problem in document["problems"]] == ["trialCommand"]


def test_a_password_to_ask_for_without_a_terminal_is_said_and_bad_usage(
    typed: Type, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_terminal(prompt: str) -> str:
        raise EOFError

    monkeypatch.setattr("getpass.getpass", no_terminal)
    machines = "{platform: remote, machineList: [{host: h, user: nobody, password: ask}]}"
    config.write_text(config.read_text().replace("{platform: local}", machines))
    said = typed("up", str(config))
    assert said.code == 2
    assert "Password of nobody@h: it is to be asked for, and there is no terminal" in said.err


def test_a_bad_configuration_is_told_with_every_problem(typed: Type, config: Path) -> None:
    config.write_text(config.read_text().replace("trialCommand", "trialComand").replace("uniform", "unifrom"))
    said = typed("check", str(config))
    assert said.code == 2
    assert "trialComand" in said.err
    assert "unifrom" in said.err


def test_problems_are_one_json_document_on_stdout(typed: Type, config: Path) -> None:
    config.write_text(config.read_text().replace("trialCommand", "trialComand"))
    said = typed("check", "--json", str(config))
    assert said.code == 2
    assert said.json["valid"] is False
    (problem, *_) = said.json["problems"]
    assert set(problem) == {"file", "line", "column", "field", "level", "message", "remedy"}
    assert said.err == ""


def test_a_configuration_that_is_not_there_is_bad(typed: Type) -> None:
    said = typed("check", "no-such-file.yml")
    assert said.code == 2
    assert "no-such-file.yml" in said.err


@pytest.mark.parametrize("command", ["up", "run"])
def test_a_bad_configuration_stops_a_command_before_it_touches_a_machine(
    typed: Type, config: Path, command: str, home: Path
) -> None:
    config.write_text("trialConcurrency: 0\n")
    assert typed(command, str(config)).code == 2
    assert not (home / ".ray-nni").exists()


def test_the_schema_is_json(typed: Type) -> None:
    assert "properties" in typed("schema").json
