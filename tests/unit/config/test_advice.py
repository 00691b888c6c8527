"""What is allowed and most likely not meant."""

from __future__ import annotations

from pathlib import Path

import pytest
from config_texts import LOCAL, MINIMAL, Load

from ray_remote_nni.config import Problem, advise, advise_run


@pytest.fixture(autouse=True)
def script(tmp_path: Path) -> None:
    (tmp_path / "train.py").touch()


def advice(load: Load, text: str, *names: str) -> list[Problem]:
    return advise(load(text), names, (), {})


def remote(*machines: str) -> str:
    lines = "".join(f"    - {{host: h{i}, user: u, password: p, {extra}}}\n" for i, extra in enumerate(machines))
    return MINIMAL + "trialGpuNumber: 2\ntrainingService:\n  platform: remote\n  machineList:\n" + lines


def test_a_config_in_which_nothing_is_odd_gets_none(load: Load) -> None:
    assert advice(load, LOCAL, "train.py") == []


def test_more_trials_at_once_than_there_will_be(load: Load) -> None:
    [problem] = advice(load, LOCAL + "maxTrialNumber: 1\n")
    assert (problem.level, problem.field, problem.line) == ("warning", "trialConcurrency", 4)
    assert problem.message == "2 at once, but maxTrialNumber ends it after 1 trial"


def test_more_trials_at_once_than_evolution_has_members(load: Load) -> None:
    few, enough = (f"{{name: Evolution, classArgs: {{population_size: {size}}}}}" for size in (1, 2))
    [problem] = advice(load, LOCAL.replace("{name: TPE}", few))
    assert (problem.field, problem.line) == ("trialConcurrency", 4)
    assert "has members, 1" in problem.message
    assert advice(load, LOCAL.replace("{name: TPE}", enough)) == []


def test_more_trials_at_once_than_the_named_gpus_take(load: Load) -> None:
    [problem] = advice(load, remote("gpuIndices: '0,1,2'", "gpuIndices: 0"))
    assert "room for 1 trial by" in problem.message


@pytest.mark.parametrize(
    "machines", [("gpuIndices: '0,1', maxTrialNumberPerGpu: 2",), ("gpuIndices: '0,1'", "port: 22")]
)
def test_not_where_gpus_are_shared_or_are_known_on_the_machine_only(machines: tuple[str, ...], load: Load) -> None:
    assert advice(load, remote(*machines)) == []


def test_more_trials_at_once_than_the_options_of_machines_allow(load: Load) -> None:
    options = "ray: {machines: {h0: {maxTrials: 1}, h1: {enabled: false}}}\n"
    [problem] = advice(load, remote("port: 22", "port: 22") + options)
    assert "room for 1 trial by" in problem.message


def test_checkpoints_of_pbt_on_several_machines(load: Load) -> None:
    text = remote("port: 22", "port: 22").replace("trialGpuNumber: 2\n", "")
    [problem] = advice(load, text.replace("{name: TPE}", "{name: PBTTuner}"))
    assert (problem.field, problem.level) == ("tuner", "warning")
    assert "Add all_checkpoint_dir to its classArgs: a folder that all machines share" in (problem.remedy or "")
    [problem] = advice(load, text.replace("{name: TPE}", "{name: PBT, classArgs: {all_checkpoint_dir: /nfs/c}}"))
    assert problem.field == "tuner.classArgs.all_checkpoint_dir"
    assert advice(load, text.replace("{name: TPE}", "{name: PBT}") + "ray: {machines: {h1: {maxTrials: 0}}}\n") == []


def test_metis_is_to_try_again_what_may_not_be_tried_again(load: Load) -> None:
    text = LOCAL.replace("{name: TPE}", "{name: Metis, classArgs: {no_resampling: false}}")
    [problem] = advice(load, text)
    assert (problem.field, problem.remedy) == (
        "tuner.classArgs.no_resampling",
        "Add duplicates: allow to the block ray",
    )
    assert advice(load, text + "ray: {duplicates: allow}\n") == []


@pytest.mark.parametrize("command", ["python3 -u trian.py --lr 1", "bash trian.sh", "/usr/bin/python3.11 trian.py"])
def test_a_script_that_is_not_there(command: str, load: Load) -> None:
    [problem] = advice(load, LOCAL.replace("python3 train.py", command))
    assert problem.field == "trialCommand"
    assert problem.message.startswith("there is no trian.")


@pytest.mark.parametrize(
    "command",
    [
        "python3 -m trian",
        "cd sub && python3 trian.py",
        "python3 $HOME/trian.py",
        "make trian.py",
        "python3 /x/trian.py",
    ],
)
def test_commands_that_do_not_say_plainly_which_script_they_run_are_believed(command: str, load: Load) -> None:
    assert advice(load, LOCAL.replace("python3 train.py", command)) == []


def test_a_large_code_directory_is_told_with_what_is_large_in_it(load: Load, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for name, size in (("data/a.bin", 90_000_000), ("data/b.bin", 2_910_000_000), ("train.py", 1)):
        with (tmp_path / name).open("wb") as file:
            file.truncate(size)
    [problem] = advice(load, LOCAL + "trialCodeDirectory: .\n", "data", "data/a.bin", "data/b.bin", "train.py")
    assert problem.field == "trialCodeDirectory"
    assert "holds 3.0 GB" in problem.message
    assert "data 3.0 GB" in problem.message


def test_files_that_do_not_go_to_the_machines_do_not_count(load: Load, tmp_path: Path) -> None:
    with (tmp_path / "left-here.bin").open("wb") as file:
        file.truncate(200_000_000)
    assert advice(load, LOCAL, "train.py") == []


def test_other_configs_with_passwords_are_named_each_in_its_own_place(load: Load, tmp_path: Path) -> None:
    [problem] = advise(load(LOCAL), ("old.yml", "train.py", "very_old.yml"), ("very_old.yml", "old.yml"), {})
    assert (problem.file, problem.line, problem.level) == (str(tmp_path / "old.yml"), None, "warning")
    assert problem.message == (
        "a password is written out in it, so it is not sent to the machines with the code; nor is very_old.yml"
    )


def test_a_large_directory_that_the_config_does_not_name_is_pinned_on_no_line(load: Load, tmp_path: Path) -> None:
    with (tmp_path / "data.bin").open("wb") as file:
        file.truncate(200_000_000)
    [problem] = advice(load, LOCAL, "data.bin")
    assert (problem.field, problem.line) == ("trialCodeDirectory", None)
    assert problem.message.startswith(f"{tmp_path} holds 200 MB")


def test_a_script_that_is_not_there_is_told_by_run_too(load: Load, tmp_path: Path) -> None:
    loaded = load(LOCAL)
    assert advise_run(loaded, {}) == []
    (tmp_path / "train.py").unlink()
    [problem] = advise_run(loaded, {})
    assert (problem.level, problem.field) == ("warning", "trialCommand")
