"""A real `nni` always wins over the stand-in, wherever the trial's Python has it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

STANDIN = Path(__file__).parents[3] / "ray_remote_nni" / "trial" / "standin"


def run(python: Path, code: str, cwd: Path, python_path: str = str(STANDIN)) -> str:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": python_path, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([python, "-c", code], env=environment, cwd=cwd, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(params=["nni_3_python", "nni_2_python"])
def real_python(request: pytest.FixtureRequest) -> Path:
    return Path(request.getfixturevalue(request.param))


@pytest.mark.parametrize(
    "statement",
    [
        "import nni",
        "from nni.utils import merge_parameter",
        "import nni.algorithms.hpo.random_tuner",
        "from nni import report_final_result",
    ],
)
def test_whatever_a_script_imports_is_the_real_ones(real_python: Path, tmp_path: Path, statement: str) -> None:
    code = f"{statement}\nimport sys; print(sys.modules['nni'].__file__, sys.path)"
    output = run(real_python, code, tmp_path)
    assert output.startswith(str(real_python.parent.parent / "lib"))
    assert str(STANDIN) not in output


def test_the_worker_processes_of_a_script_get_the_real_one_too(real_python: Path, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(
        "import multiprocessing, nni\n"
        "def which(_): import nni; return nni.__file__\n"
        "if __name__ == '__main__':\n"
        "    with multiprocessing.get_context('spawn').Pool(1) as pool: print(pool.map(which, [0])[0])\n"
    )
    code = "import subprocess, sys; print(subprocess.check_output([sys.executable, 'script.py']).decode())"
    output = run(real_python, code, tmp_path)
    assert output.startswith(str(real_python.parent.parent / "lib"))


def fake_nni(folder: Path) -> None:
    (folder / "nni").mkdir(parents=True)
    (folder / "nni" / "__init__.py").write_text("who = 'fake'\n")
    (folder / "nni" / "part.py").write_text("who = 'part'\n")


def test_one_that_comes_later_on_the_python_path_wins(any_python: Path, tmp_path: Path) -> None:
    fake_nni(tmp_path / "later")
    code = "import nni.part; from nni import part; print(nni.who, part.who, hasattr(nni, 'get_next_parameter'))"
    assert run(any_python, code, tmp_path, f"{STANDIN}:{tmp_path / 'later'}") == "fake part False"


def test_one_that_a_finder_of_its_own_finds_wins(any_python: Path, tmp_path: Path) -> None:
    fake_nni(tmp_path / "editable")
    code = f"""if True:
        import importlib.util, sys
        class Finder:
            @staticmethod
            def find_spec(name, path=None, target=None):
                if name == 'nni':
                    return importlib.util.spec_from_file_location(
                        name, {str(tmp_path / "editable" / "nni" / "__init__.py")!r},
                        submodule_search_locations=[{str(tmp_path / "editable" / "nni")!r}])
        sys.meta_path.append(Finder)
        import nni.part
        print(nni.who, nni.part.who)
    """
    assert run(any_python, code, tmp_path) == "fake part"


def test_neither_a_mere_folder_nor_another_stand_in_is_taken_for_a_real_one(any_python: Path, tmp_path: Path) -> None:
    (tmp_path / "folder" / "nni").mkdir(parents=True)
    (tmp_path / "copy").symlink_to(STANDIN)
    path = f"{STANDIN}:{tmp_path / 'folder'}:{tmp_path / 'copy'}:"
    assert run(any_python, "import nni; print(nni.get_trial_id())", tmp_path, path) == "STANDALONE"


def test_a_real_one_that_fails_to_import_says_so_itself(any_python: Path, tmp_path: Path) -> None:
    (tmp_path / "later" / "nni").mkdir(parents=True)
    (tmp_path / "later" / "nni" / "__init__.py").write_text("import no_such_thing\n")
    code = "try: import nni\nexcept ImportError as error: print(error)"
    assert run(any_python, code, tmp_path, f"{STANDIN}:{tmp_path / 'later'}") == "No module named 'no_such_thing'"
