from __future__ import annotations

from pathlib import Path

import pytest

from ray_remote_nni.config.changes import read_duration, read_search_space
from ray_remote_nni.errors import UsageError


def test_durations_are_those_of_a_config() -> None:
    assert [read_duration(text) for text in ("90", "1.5m", "2H")] == [90, 90, 7200]
    with pytest.raises(UsageError, match="soon"):
        read_duration("soon")


def test_a_search_space_is_checked_unless_its_tuner_has_a_form_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "space.json"
    file.write_text('{"x": [1, 100]}')
    assert read_search_space(file, tuner=None) == {"x": [1, 100]}
    with pytest.raises(UsageError, match="x: found a list"):
        read_search_space(file, tuner="TPE")

    file.write_text('{"lr": {"_type": "loguniform", "_value": ["1e-4", 1]}}')
    assert read_search_space(file, tuner="TPE") == {"lr": {"_type": "loguniform", "_value": [1e-4, 1]}}


def test_a_search_space_that_the_experiments_tuner_does_not_take_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "space.json"
    file.write_text('{"lr": {"_type": "loguniform", "_value": [0.1, 1]}}')
    with pytest.raises(UsageError, match=r"lr\._type: the tuner Metis does not take loguniform"):
        read_search_space(file, tuner="Metis")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[1]", "holds no search space"),
        ("", "holds no search space"),
        (
            '{\n"x": [1 2}',
            r"space\.json:2:9: broken JSON: a comma or the closing bracket is missing before this\. Add it",
        ),
        ('{"x": {"_type": "uniform", "_value": [3, 1]}}', r"space\.json: x\._value\[0\]: low must be below high"),
    ],
)
def test_what_is_no_search_space_is_refused_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "space.json"
    file.write_text(text)
    with pytest.raises(UsageError, match=said):
        read_search_space(file, tuner="TPE")


def test_a_search_space_of_json_may_be_indented_with_tabs(tmp_path: Path) -> None:
    file = tmp_path / "space.json"
    file.write_text('{\n\t"x": {\n\t\t"_type": "choice",\n\t\t"_value": [1, 2]\n\t}\n}\n')
    assert read_search_space(file, tuner="TPE") == {"x": {"_type": "choice", "_value": [1, 2]}}
