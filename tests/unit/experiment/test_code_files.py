"""What of trialCodeDirectory goes along: `.nniignore`, sensible defaults, secrets."""

from __future__ import annotations

from pathlib import Path

import pytest

from ray_remote_nni.experiment.code_files import code_files, holds_password


@pytest.fixture
def code(tmp_path: Path) -> Path:
    folder = tmp_path / "code"
    folder.mkdir()
    return folder


def fill(code: Path, *names: str) -> None:
    for name in names:
        (code / name).parent.mkdir(parents=True, exist_ok=True)
        (code / name).touch()


def names(code: Path, *excluded: Path) -> set[str]:
    return {name for name, entry in code_files(code, frozenset(excluded)) if entry.is_file()} - {".nniignore"}


def test_everything_goes_along_each_folder_before_what_is_in_it(code: Path) -> None:
    fill(code, "train.py", "pkg/__init__.py", "pkg/data/x", ".settings", ".gitignore")
    (code / "pkg/empty").mkdir()
    listed = [name for name, _ in code_files(code)]
    assert listed == [
        ".gitignore",
        ".settings",
        "pkg",
        "pkg/__init__.py",
        "pkg/data",
        "pkg/data/x",
        "pkg/empty",
        "train.py",
    ]


@pytest.mark.parametrize(
    "name",
    [".ssh", ".ray-nni", ".git", "__pycache__", ".venv", ".mypy_cache", ".ipynb_checkpoints", "nni-experiments"],
)
def test_what_no_trial_needs_stays_here_wherever_it_lies(code: Path, name: str) -> None:
    fill(code, f"{name}/file", f"pkg/{name}/file", "train.py")
    assert names(code) == {"train.py"}


@pytest.mark.parametrize("sign", ["pyvenv.cfg", "conda-meta/history"])
def test_an_environment_stays_here_whatever_its_name(code: Path, sign: str) -> None:
    fill(code, f"my-env/{sign}", "my-env/lib/python/site.py", "train.py")
    assert names(code) == {"train.py"}


def test_a_default_is_taken_back_with_an_exclamation_mark(code: Path) -> None:
    fill(code, "__pycache__/x.pyc", ".git/config")
    (code / ".nniignore").write_text("!__pycache__\n")
    assert names(code) == {"__pycache__/x.pyc"}


@pytest.mark.parametrize(
    ("patterns", "left"),
    [
        ("data\n", {"a.txt", "keep.txt", "sub/a.txt", "out/x"}),
        ("/data\n*.txt\n", {"out/x", "sub/data/y"}),
        ("*.txt\n!keep.txt\n/out/\n", {"keep.txt", "data/x", "sub/data/y"}),
        ("# data\n\nout\n", {"a.txt", "keep.txt", "data/x", "sub/a.txt", "sub/data/y"}),
        ("sub/*\n!sub/a.txt\ndata\nout", {"a.txt", "keep.txt", "sub/a.txt"}),
        ("sub/**\n!sub/a.txt\ndata\nout", {"a.txt", "keep.txt", "sub/a.txt"}),
        # What is in a folder that is left out cannot be brought back.
        ("sub\n!sub/a.txt\n", {"a.txt", "keep.txt", "data/x", "out/x"}),
    ],
)
def test_an_ignore_file_reads_as_gits_does(code: Path, patterns: str, left: set[str]) -> None:
    fill(code, "a.txt", "keep.txt", "data/x", "sub/a.txt", "sub/data/y", "out/x")
    (code / ".nniignore").write_text(patterns)
    assert names(code) == left


def test_nnis_own_case_nested_ignore_files_hold_for_their_folder(code: Path) -> None:
    fill(code, "abc", "abcd", "xyz/f", "xyy/abc", "xyy/qq", "xyy/pp", "www/abc", "www/qq", "www/pp")
    (code / ".nniignore").write_text("abc\nxyz")
    (code / "xyy/.nniignore").write_text("qq")
    (code / "www/.nniignore").write_text("pp")
    assert names(code) == {"abcd", "xyy/pp", "xyy/.nniignore", "www/qq", "www/.nniignore"}


def test_the_nearest_ignore_file_counts_most(code: Path) -> None:
    fill(code, "a.bin", "sub/a.bin")
    (code / ".nniignore").write_text("*.bin\n")
    (code / "sub/.nniignore").write_text("!a.bin\n")
    assert names(code) == {"sub/a.bin", "sub/.nniignore"}


def test_what_is_excluded_stays_here_whatever_the_ignore_file_says(code: Path) -> None:
    fill(code, "config.yml", "pkg/config.yml", "results/abc/trials/x")
    (code / ".nniignore").write_text("!config.yml\n!results\n")
    assert names(code, code / "config.yml", code / "results") == {"pkg/config.yml"}


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("trainingService: {machineList: [{host: a, password: hunter2}]}", True),
        ("training_service:\n  machine_list:\n  - ssh_passphrase: 1234\n", True),
        ("machineList: [{ip: a, passwd: hunter2}]\ntrainingServicePlatform: remote", True),
        ("trainingService: {machineList: [{host: a, password: '${PASSWORD}'}]}", False),
        ("trainingService: {machineList: [{host: a, password: '${PASSWORD:-hunter2}'}]}", True),
        ("trainingService: {machineList: [{host: a, password: ask}]}", False),
        ("trainingService: {machineList: [{host: a, sshKeyFile: k}]}", False),
        # It is the trial's own, and the trial may need it.
        ("database: {password: hunter2}", False),
        ("password: [", False),
    ],
)
def test_a_configuration_with_a_password_written_out_is_known(code: Path, text: str, secret: bool) -> None:
    (code / "other.yaml").write_text(text)
    (code / "other.txt").write_text(text)
    assert holds_password(code / "other.yaml") == secret
    assert not holds_password(code / "other.txt")
