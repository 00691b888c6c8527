"""What is allowed and most likely not meant."""

from __future__ import annotations

from pathlib import Path

import pytest
from config_texts import LOCAL, MINIMAL, Load

from ray_remote_nni.config import Problem, advise, advise_code, advise_run


@pytest.fixture(autouse=True)
def script(tmp_path: Path) -> None:
    (tmp_path / "train.py").touch()


def advice(load: Load, text: str, **sizes: int) -> list[Problem]:
    return advise(load(text), sizes, (), {})


def remote(*machines: str) -> str:
    lines = "".join(f"    - {{host: h{i}, user: u, password: p, {extra}}}\n" for i, extra in enumerate(machines))
    return MINIMAL + "trialGpuNumber: 2\ntrainingService:\n  platform: remote\n  machineList:\n" + lines


def test_a_config_in_which_nothing_is_odd_gets_none(load: Load) -> None:
    assert advice(load, LOCAL) == []


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


def test_checkpoints_of_pbt_that_stay_on_their_machine_are_told_by_run_too(load: Load) -> None:
    text = remote("port: 22", "port: 22").replace("trialGpuNumber: 2\n", "")
    [problem] = advise_run(load(text.replace("{name: TPE}", "{name: PBT}")), {})
    assert problem.field == "tuner"
    assert advise_run(load(text.replace("{name: TPE}", "{name: PBT, classArgs: {all_checkpoint_dir: /n}}")), {}) == []


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


def test_a_module_of_an_own_algorithm_that_is_not_in_its_folder(load: Load, tmp_path: Path) -> None:
    (tmp_path / "mine.py").touch()
    (tmp_path / "mime.yml").touch()
    (tmp_path / "package").mkdir()
    tuner = "{className: MODULE.Mine, codeDirectory: .}"
    for module in ("mine", "package.sub"):
        assert advice(load, LOCAL.replace("{name: TPE}", tuner.replace("MODULE", module))) == []
    assert advice(load, LOCAL.replace("{name: TPE}", "{className: installed.Mine}")) == []
    text = LOCAL.replace("{name: TPE}", tuner.replace("MODULE", "mime")) + f"assessor: {tuner}\n"
    problems = advice(load, text.replace("MODULE", "mine.sub"))
    assert [(problem.field, problem.message) for problem in problems] == [
        ("tuner.className", f"there is no mime.py in {tmp_path}")
    ]
    assert advise_run(load(text.replace("MODULE", "mime")), {})[0] == problems[0]


def test_a_large_code_directory_is_told_with_what_is_large_in_it(load: Load) -> None:
    sizes = {"data/a.bin": 90_000_000, "data/b.bin": 2_910_000_000, "train.py": 1, "e.json": 400}
    loaded = load(LOCAL + "trialCodeDirectory: .\n")
    [problem] = advise(loaded, sizes, (), {})
    assert problem.field == "trialCodeDirectory"
    assert problem.message.endswith("holds 3.0 GB that go to the machines; the largest: data 3.0 GB")
    assert advise_code(loaded, sizes, (), {}) == [problem]


def test_a_large_code_directory_without_anything_large_in_it_is_told(load: Load) -> None:
    [problem] = advice(load, LOCAL, **{f"{number}.bin": 1_000_000 for number in range(200)})
    assert problem.message.endswith("holds 200 MB that go to the machines")


def test_configs_with_passwords_in_the_code_directory_are_told_in_one_warning_about_it(load: Load) -> None:
    loaded = load(LOCAL + "trialCodeDirectory: .\n")
    [problem] = advise_code(loaded, {"train.py": 1}, ("very_old.yml", "old.yml"), {})
    assert (problem.file, problem.line, problem.level) == (str(loaded.path), 7, "warning")
    assert problem.field == "trialCodeDirectory"
    assert problem.message == (
        "files in which passwords are written out are not sent to the machines: old.yml, very_old.yml"
    )
    assert advise(loaded, {"train.py": 1}, ("very_old.yml", "old.yml"), {}) == [problem]


def test_a_large_directory_that_the_config_does_not_name_is_pinned_on_no_line(load: Load, tmp_path: Path) -> None:
    [problem] = advise(load(LOCAL), {"data.bin": 200_000_000}, (), {})
    assert (problem.field, problem.line) == ("trialCodeDirectory", None)
    assert problem.message.startswith(f"{tmp_path} holds 200 MB")


def test_a_script_that_is_not_there_is_told_by_run_too(load: Load, tmp_path: Path) -> None:
    loaded = load(LOCAL)
    assert advise_run(loaded, {}) == []
    (tmp_path / "train.py").unlink()
    [problem] = advise_run(loaded, {})
    assert (problem.level, problem.field) == ("warning", "trialCommand")
