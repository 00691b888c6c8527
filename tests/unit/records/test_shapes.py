from __future__ import annotations

import json

import pytest

from ray_remote_nni.records import RecordReader, RecordStore
from ray_remote_nni.records.shapes import (
    experiment_json,
    iso_time,
    parse_time,
    strict,
    strict_dumps,
    trial_json,
    trials_json,
)


def test_an_experiment_has_the_keys_of_the_contract(store: RecordStore, reader: RecordReader) -> None:
    for sequence, value in enumerate((0.5, 0.98, float("nan"))):
        store.add_trial(f"t{sequence}", sequence, {"x": sequence})
        store.finish(f"t{sequence}", 1, "SUCCEEDED", value=value, metric=value)
    store.add_trial("t3", 3, {})
    store.end_trial("t3", "FAILED")
    store.set_status("DONE", end_time=1_795_508_190.5)
    shape = experiment_json(reader)
    assert shape["experiment"] == "k3f9x2ab"
    assert shape["name"] is None
    assert shape["status"] == "DONE"
    assert shape["startTime"] == "2026-11-24T08:15:30.120Z"
    assert shape["endTime"] == "2026-11-24T08:16:30.500Z"
    assert shape["trials"] == {"FAILED": 1, "SUCCEEDED": 3}
    assert shape["best"].items() >= {"trialId": "t1", "value": 0.98, "parameters": {"x": 1}}.items()


def test_best_is_null_without_a_success(store: RecordStore, reader: RecordReader) -> None:
    shape = experiment_json(reader)
    assert (shape["best"], shape["endTime"], shape["trials"]) == (None, None, {})


def test_a_trial_has_the_keys_of_the_contract(store: RecordStore, reader: RecordReader) -> None:
    store.add_trial("t0", 0, {"x": 0.5})
    store.finish(
        "t0",
        1,
        "SUCCEEDED",
        machine="192.0.2.1",
        gpu_indices=[0],
        start_time=1.0,
        metrics=[(0, "PERIODICAL", 0.7, 1.5), (1, "PERIODICAL", 0.9, 1.6)],
        value=0.98,
        metric={"default": 0.98, "loss": float("inf")},
        end_time=2.0,
        exit_code=0,
    )
    assert trials_json(reader) == [
        {
            "trialId": "t0",
            "sequence": 0,
            "status": "SUCCEEDED",
            "parameters": {"x": 0.5},
            "value": 0.98,
            "metric": {"default": 0.98, "loss": "Infinity"},
            "intermediate": [0.7, 0.9],
            "machine": "192.0.2.1",
            "machinePort": None,
            "gpuIndices": [0],
            "attempt": 1,
            "startTime": "1970-01-01T00:00:01.000Z",
            "endTime": "1970-01-01T00:00:02.000Z",
            "exitCode": 0,
            "error": None,
        }
    ]


def test_machines_of_one_host_are_told_apart_by_their_ports(store: RecordStore, reader: RecordReader) -> None:
    store.add_trial("t0", 0, {})
    store.attempt_started("t0", 1, "127.0.0.1 port 10022", (), 1.0)
    shape = trial_json(reader.trial("t0"))
    assert (shape["machine"], shape["machinePort"]) == ("127.0.0.1", 10022)


def test_a_trial_that_has_not_started_has_nulls(store: RecordStore, reader: RecordReader) -> None:
    store.add_trial("t0", 0, {})
    shape = trial_json(reader.trial("t0"))
    unknown = ("value", "metric", "machine", "gpuIndices", "startTime", "endTime", "exitCode", "error")
    assert [shape[key] for key in unknown] == [None] * len(unknown)
    assert shape["intermediate"] == []


def test_numbers_that_are_not_finite_are_words_at_any_depth() -> None:
    nan, inf = float("nan"), float("inf")
    assert strict({"a": [nan, (inf, -inf)], "b": {"c": nan}, "d": 1}) == {
        "a": ["NaN", ["Infinity", "-Infinity"]],
        "b": {"c": "NaN"},
        "d": 1,
    }


def test_any_document_is_written_as_strict_json_that_utf8_can_carry() -> None:
    document = {"x": [float("nan"), "größe", "\ud800", 10**400, True, None]}
    text = strict_dumps(document)

    def refuse(constant: str) -> None:
        pytest.fail(f"{constant} is no JSON")

    assert json.loads(text.encode(), parse_constant=refuse) == {"x": ["NaN", *document["x"][1:]]}
    assert "größe" in text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1_795_508_130.1199999, "2026-11-24T08:15:30.120Z"),
        (1_795_508_130.9996, "2026-11-24T08:15:31.000Z"),
        (None, None),
    ],
)
def test_times_are_utc_with_milliseconds(seconds: float | None, text: str | None) -> None:
    assert iso_time(seconds) == text
    if seconds is not None:
        assert parse_time(text) == pytest.approx(seconds, abs=0.001)
