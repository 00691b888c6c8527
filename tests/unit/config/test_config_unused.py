"""The warnings about fields without effect."""

from __future__ import annotations

import pytest
from config_texts import LOCAL, Load

from ray_remote_nni.config import ConfigInvalid


@pytest.mark.parametrize(
    ("lines", "field"),
    [
        ("tunerGpuIndices: 0", "tunerGpuIndices"),
        ("nniManagerIp: 192.0.2.1", "nniManagerIp"),
        ("sharedStorage: {storageType: NFS}", "sharedStorage"),
        ("logLevel: debug", "logLevel"),
        ("debug: true", "debug"),
        ("ray: {trialNodeNumber: 2}", "ray.trialNodeNumber"),
    ],
)
def test_a_field_without_effect_says_so(load: Load, lines: str, field: str) -> None:
    [warning] = load(LOCAL + lines + "\n").warnings
    assert (warning.field, warning.line, warning.level) == (field, 7, "warning")


@pytest.mark.parametrize(
    "lines", ["debug: false", "logLevel: INFO", "ray: {tls: false, ports: {}, trialNodeNumber: 1}"]
)
def test_a_field_that_says_what_happens_anyway_needs_no_warning(load: Load, lines: str) -> None:
    assert load(LOCAL + lines + "\n").warnings == ()


def test_warnings_of_a_broken_config_come_with_its_errors(load: Load) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        load(LOCAL + "nniManagerIp: 192.0.2.1\nmaxTrialNumber: 0\n")
    assert [problem.level for problem in caught.value.problems] == ["warning", "error"]
    assert "nniManagerIp" not in str(caught.value)
