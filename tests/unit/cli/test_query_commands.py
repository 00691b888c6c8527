"""The commands that read records: from the mirror, while no cluster is up."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from pathlib import Path

import pytest
from typed_command import Type

from ray_remote_nni.cli.app import main
from ray_remote_nni.experiment.registry import ExperimentEntry
from ray_remote_nni.records.create import create_records


@pytest.mark.parametrize("command", ["show", "trials", "export", "attach", "stop", "resume"])
def test_without_any_experiment_a_command_that_needs_one_says_so(typed: Type, command: str) -> None:
    said = typed(command)
    assert (said.code, said.out) == (4, "")
    assert "ray-nni run CONFIG" in said.err


@pytest.mark.parametrize("command", ["show", "trials", "export"])
def test_an_experiment_that_is_not_there_is_not_found(typed: Type, experiment: ExperimentEntry, command: str) -> None:
    said = typed(command, "zzz")
    assert (said.code, said.out) == (4, "")
    assert "exp12345" in said.err


@pytest.mark.parametrize("name", ["exp12345", "digits", None])
def test_an_experiment_is_meant_by_its_id_its_name_or_by_being_the_latest(
    typed: Type, experiment: ExperimentEntry, name: str | None
) -> None:
    said = typed("show", "--json", *([name] if name else []))
    assert (said.code, said.err) == (0, "")
    assert said.json["experiment"] == "exp12345"


def test_an_experiment_is_shown_in_the_contracts_shape(typed: Type, experiment: ExperimentEntry) -> None:
    shown = typed("show", "--json").json
    assert (shown["name"], shown["status"]) == ("digits", "DONE")
    assert shown["trials"] == {"SUCCEEDED": 2, "FAILED": 1}
    assert (shown["best"]["trialId"], shown["best"]["value"], shown["best"]["parameters"]) == ("aaaaa", 0.5, {"x": 0.0})


def test_trials_are_listed_in_the_contracts_shape(typed: Type, experiment: ExperimentEntry) -> None:
    first, second, third = typed("trials", "--json").json
    assert [trial["sequence"] for trial in (first, second, third)] == [0, 1, 2]
    assert first["machine"] == "gpu1"
    assert first["gpuIndices"] == [0]
    assert first["intermediate"] == [0.25]
    assert first["startTime"].endswith("Z")
    assert (third["status"], third["exitCode"], third["error"], third["value"]) == ("FAILED", 1, "ValueError: no", None)


def test_a_value_that_is_not_finite_is_a_string(typed: Type, experiment: ExperimentEntry) -> None:
    assert typed("trials", "--json").json[1]["value"] == "NaN"


@pytest.mark.parametrize("command", ["show", "trials", "status"])
def test_what_is_for_people_comes_on_stdout_too(typed: Type, experiment: ExperimentEntry, command: str) -> None:
    said = typed(command)
    assert said.code == 0
    assert "0.5" in said.out


def test_the_help_of_trials_tells_of_what_its_list_takes(typed: Type, experiment: ExperimentEntry) -> None:
    said = typed("trials", "-h")
    assert said.code == 0
    for word in ("EXPERIMENT", "--json", "add"):
        assert word in said.out


def test_results_are_exported_as_json_for_import(typed: Type, experiment: ExperimentEntry) -> None:
    exported = typed("export").json
    assert exported[0] == {"parameter": {"x": 0.0}, "value": 0.5, "trialJobId": "aaaaa", "sequence": 0}


def test_results_are_exported_as_csv(typed: Type, experiment: ExperimentEntry) -> None:
    rows = list(csv.DictReader(io.StringIO(typed("export", "-t", "csv").out)))
    assert rows[0]["x"] == "0.0"
    assert rows[0]["trialJobId"] == "aaaaa"


def test_an_export_into_a_file_says_where(typed: Type, experiment: ExperimentEntry, home: Path) -> None:
    said = typed("export", "-f", "out.json")
    assert said.out == ""
    assert "out.json" in said.err
    assert json.loads((home / "out.json").read_text())


def test_a_file_format_that_there_is_not_is_usage(typed: Type, experiment: ExperimentEntry) -> None:
    assert typed("export", "-t", "xml").code == 2


@pytest.mark.parametrize(
    ("options", "printed"), [([], b"out\xff\nerr\n"), (["--stdout"], b"out\xff\n"), (["--stderr"], b"err\n")]
)
def test_a_trials_output_comes_as_bytes(
    home: Path,
    experiment: ExperimentEntry,
    capfdbinary: pytest.CaptureFixture[bytes],
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    printed: bytes,
) -> None:
    monkeypatch.setattr("sys.argv", ["ray-nni", "logs", "aaaaa", *options])
    with pytest.raises(SystemExit) as caught:
        main()
    assert not caught.value.code
    assert capfdbinary.readouterr().out == printed


def test_the_output_of_a_trial_that_is_not_there_is_not_found(typed: Type, experiment: ExperimentEntry) -> None:
    assert typed("logs", "zzzzz").code == 4


def test_a_tuner_that_is_not_ones_own_has_no_log(typed: Type, experiment: ExperimentEntry) -> None:
    said = typed("logs", "tuner")
    assert (said.code, said.err) == (4, "Experiment exp12345 has no tuner of your own: others print nothing.\n")


def test_output_that_is_out_of_reach_is_told_with_its_machine(typed: Type, experiment: ExperimentEntry) -> None:
    said = typed("logs", "bbbbb")
    assert said.code == 4
    assert "gpu1" in said.err


def test_an_experiment_whose_cluster_is_down_cannot_be_attached_to(typed: Type, experiment: ExperimentEntry) -> None:
    said = typed("attach")
    assert said.code == 4
    assert f"is DONE, and its cluster is not up. Its results: ray-nni show {experiment.experiment_id}" in said.err


def test_an_experiment_whose_cluster_is_down_can_be_changed_after_an_up(
    typed: Type, experiment: ExperimentEntry
) -> None:
    said = typed("update", "--max-trials", "9")
    assert said.code == 4
    assert f"is DONE, and it can be changed while its cluster is up. First: ray-nni up {experiment.config}" in said.err


def test_an_experiment_without_records_says_so(typed: Type, experiment: ExperimentEntry) -> None:
    experiment.mirror.unlink()
    said = typed("show", "--json")
    assert (said.code, said.out) == (4, "")
    assert "no records" in said.err


def test_an_export_to_where_nothing_can_be_written_is_the_users_mistake(
    typed: Type, experiment: ExperimentEntry
) -> None:
    said = typed("export", "-f", "no/such/folder/out.csv")
    assert said.code == 2
    assert "no/such/folder/out.csv cannot be written: No such file or directory." in said.err


def _later(experiment: ExperimentEntry, experiment_id: str, *trial_ids: str) -> None:
    """Another experiment, begun after this one, with trials that wait."""
    directory = Path(experiment.directory).parent / experiment_id
    directory.mkdir()
    entry = dataclasses.replace(
        experiment, experiment_id=experiment_id, name=None, directory=str(directory), started=experiment.started + 1
    )
    entry.save()
    with create_records(
        entry.mirror,
        experiment_id=experiment_id,
        name=None,
        config={},
        search_space={},
        optimize_mode="maximize",
        max_trial_number=3,
        trial_concurrency=1,
        seed=None,
    ) as store:
        for sequence, trial_id in enumerate(trial_ids):
            store.add_trial(trial_id, sequence, {})


def test_the_output_of_a_trial_of_an_earlier_experiment_is_found_and_which_one_is_said(
    typed: Type, experiment: ExperimentEntry
) -> None:
    _later(experiment, "later123", "other")
    said = typed("logs", "aaaaa", "--stderr")
    assert (said.code, said.out) == (0, "err\n")
    assert said.err == "Trial aaaaa is one of experiment exp12345.\n"


def test_an_experiment_that_is_named_is_the_only_one_that_is_looked_at(
    typed: Type, experiment: ExperimentEntry
) -> None:
    _later(experiment, "later123", "other")
    said = typed("logs", "aaaaa", "--experiment", "later123")
    assert said.code == 4
    assert "There is no trial aaaaa in experiment later123." in said.err


def test_a_trial_that_several_earlier_experiments_have_is_asked_for_by_the_experiment(
    typed: Type, experiment: ExperimentEntry
) -> None:
    _later(experiment, "second12", "aaaaa")
    _later(dataclasses.replace(experiment, started=experiment.started + 1), "third123")
    said = typed("logs", "aaaaa")
    assert (said.code, said.out) == (4, "")
    assert "Several experiments have a trial aaaaa: second12, exp12345. Say which: ray-nni logs aaaaa" in said.err
