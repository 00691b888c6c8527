"""The process of a class of the user's, as the driver has it: a real guard's."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

import pytest
from experiment_values import experiment_spec
from running_guard import running_guard
from this_machine import cluster

from ray_remote_nni.cluster.local import LocalTransport
from ray_remote_nni.custom.process import AlgorithmFailed
from ray_remote_nni.experiment.head import Head
from ray_remote_nni.experiment.own_process import OwnAlgorithm, _bring, _merge
from ray_remote_nni.experiment.upload import read_code, send_code
from ray_remote_nni.trial.code import code_folder
from ray_remote_nni.trial.workspace import experiment_directory

TUNER = """
import pathlib, time
from nni.tuner import Tuner

class Mine(Tuner):
    def __init__(self):
        pathlib.Path(__file__).with_name("begun").touch()
        time.sleep(1000)
"""


def test_a_class_that_never_comes_into_being_is_let_go_and_holds_up_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    own = {"code": "0123456789abcdef", "class_name": "mine.Mine", "class_args": {}}
    spec = experiment_spec(base_environment={"PATH": os.environ["PATH"]})
    code = experiment_directory(spec.experiment_id) / "tuner-code"
    code.mkdir(parents=True)
    (code / "mine.py").write_text(TUNER)

    async def let_go() -> None:
        algorithm = OwnAlgorithm(spec, "tuner", own, resumed=False)
        asked = asyncio.ensure_future(algorithm.call("generate", ids=[0]))
        while not (code / "begun").exists():
            await asyncio.sleep(0.01)
        await algorithm.close(politely=False)
        with pytest.raises(AlgorithmFailed, match="its process"):
            await asyncio.wait_for(asked, 10)

    with running_guard(tmp_path) as guard:
        monkeypatch.setenv("RAY_NNI_GUARD", str(guard.socket))
        asyncio.run(let_go())


def test_changed_code_takes_the_place_of_the_old_and_what_was_written_beside_it_stays(tmp_path: Path) -> None:
    old, fresh = tmp_path / "old", tmp_path / "fresh"
    for folder, text in ((old, "old"), (fresh, "fresh")):
        (folder / "package").mkdir(parents=True)
        for name in ("mine.py", "package/part.py"):
            (folder / name).write_text(text)
    (old / "package/state.txt").write_text("kept")
    (old / "was_a_folder").mkdir()
    (fresh / "was_a_folder").symlink_to("mine.py")
    (old / "was_a_link").symlink_to("package")
    (fresh / "was_a_link").mkdir()

    _merge(fresh, old)

    files = {str(path.relative_to(old)): path.read_text() for path in old.rglob("*") if path.is_file()}
    assert files == {
        "mine.py": "fresh",
        "package/part.py": "fresh",
        "package/state.txt": "kept",
        "was_a_folder": "fresh",
    }
    assert not (old / "was_a_link").is_symlink()


@pytest.mark.parametrize("word", ["of the code that it was made of", ""])
def test_a_copy_of_other_code_or_of_who_knows_which_is_brought_up_to_that(
    home: Path, tmp_path: Path, word: str
) -> None:
    names, copy = [], tmp_path / "tuner-code"
    for text in ("first", "mended"):
        (tmp_path / "own").mkdir(exist_ok=True)
        (tmp_path / "own/mine.py").write_text(text)
        code = read_code(tmp_path / "own")
        asyncio.run(send_code(code, Head(cluster(home), LocalTransport()), lambda sent: None))
        names.append(code.manifest.name)
    _bring(names[0], copy)
    (copy / "state.txt").write_text("kept")
    if not word:
        (tmp_path / "tuner-code.name").unlink()

    _bring(names[1], copy)

    assert {path.name: path.read_text() for path in copy.iterdir()} == {"mine.py": "mended", "state.txt": "kept"}
    shutil.rmtree(code_folder(names[1]))
    _bring(names[1], copy)
    assert (tmp_path / "tuner-code.name").read_text() == names[1]
