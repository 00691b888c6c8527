"""NNI's metric file, read while it is being written."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trial_values import metric_record

from ray_remote_nni.trial.metrics import MetricReader, default_value


class WrittenInPieces:
    """A metric file that grows, and what was read of it so far."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._reader = MetricReader(file)
        self.values: list[Any] = []

    def add(self, piece: bytes) -> None:
        with self._file.open("ab") as writing:
            writing.write(piece)
        self.values += [metric.value for metric in self._reader.read()]


@pytest.fixture
def metrics(tmp_path: Path) -> WrittenInPieces:
    return WrittenInPieces(tmp_path / "metrics")


def values_of(tmp_path_factory: pytest.TempPathFactory, *pieces: bytes) -> list[Any]:
    written = WrittenInPieces(tmp_path_factory.mktemp("m") / "metrics")
    for piece in pieces:
        written.add(piece)
    return written.values


def test_a_file_that_is_not_there_yet_has_no_metrics(tmp_path: Path) -> None:
    assert MetricReader(tmp_path / "metrics").read() == []


def test_a_metric_keeps_its_type_its_number_and_its_whole_value(tmp_path: Path) -> None:
    (tmp_path / "metrics").write_bytes(metric_record({"default": 0.5, "loss": [1, 2]}, "FINAL", 7))
    (metric,) = MetricReader(tmp_path / "metrics").read()
    assert (metric.kind, metric.sequence, metric.value) == ("FINAL", 7, {"default": 0.5, "loss": [1, 2]})


def test_metrics_come_in_order_and_each_once(metrics: WrittenInPieces) -> None:
    for value in (1, 2, 3):
        metrics.add(metric_record(value))
    metrics.add(b"")
    assert metrics.values == [1, 2, 3]


def test_a_record_is_not_read_before_its_last_byte(metrics: WrittenInPieces) -> None:
    record = metric_record(0.25)
    metrics.add(record[:-1])
    assert metrics.values == []
    metrics.add(record[-1:])
    assert metrics.values == [0.25]


def test_a_record_that_arrives_byte_by_byte_is_read(metrics: WrittenInPieces) -> None:
    for byte in metric_record("é") + metric_record(2):
        metrics.add(bytes([byte]))
    assert metrics.values == ["é", 2]


def test_a_record_of_a_megabyte_has_seven_digits_and_is_read(metrics: WrittenInPieces) -> None:
    record = metric_record("x" * 1_200_000)
    assert record.startswith(b"ME1200")
    assert record[9:10] == b"{"
    metrics.add(record + metric_record(1))
    assert [value if isinstance(value, int) else len(value) for value in metrics.values] == [1_200_000, 1]


@pytest.mark.parametrize(
    "garbage",
    [
        b"hello\n",
        b"\xff\xfe\x00\x80",
        b"ME",
        b"ME000012",
        b"ME00001{",
        b"ME000005not json",
        b'ME000017{"type": "FINAL"}',
        b"ME000002{}",
        b"ME000002[]",
        b'ME000010{"a": \xff\xff}',
        metric_record(1, "SOMETHING ELSE"),
        b"some text before ME and after\n" * 100,
    ],
)
def test_what_is_no_record_is_passed_over(metrics: WrittenInPieces, garbage: bytes) -> None:
    metrics.add(metric_record(1))
    metrics.add(garbage)
    metrics.add(metric_record(2))
    assert metrics.values == [1, 2]


def test_a_record_whose_value_is_not_json_is_passed_over(metrics: WrittenInPieces) -> None:
    fields = json.dumps({"type": "FINAL", "sequence": 0, "value": "not json"}).encode()
    metrics.add(b"ME%06d%b" % (len(fields), fields))
    metrics.add(metric_record(2))
    assert metrics.values == [2]


def test_a_process_that_died_in_the_middle_of_a_record_costs_that_record_only(metrics: WrittenInPieces) -> None:
    metrics.add(metric_record({"default": 1, "note": "a long one"})[:40])
    metrics.add(metric_record(2) + metric_record(3))
    assert metrics.values == [2, 3]


def test_records_of_several_processes_are_all_read(metrics: WrittenInPieces) -> None:
    for sequence in range(5):
        metrics.add(metric_record("a", sequence=sequence) + metric_record("b", sequence=sequence))
    assert metrics.values == ["a", "b"] * 5


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_values_that_are_not_finite_arrive(metrics: WrittenInPieces, value: float) -> None:
    metrics.add(metric_record(value))
    (read,) = metrics.values
    assert repr(read) == repr(value)


@pytest.mark.parametrize("value", [None, True, "text", [1, 2], {"default": None}, 10**30, 0, -0.5])
def test_any_json_value_arrives_as_it_was(metrics: WrittenInPieces, value: Any) -> None:
    metrics.add(metric_record(value))
    assert metrics.values == [value]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=30)
@given(values=st.lists(json_values, max_size=6), data=st.data())
def test_however_the_bytes_are_split_the_same_metrics_are_read(
    tmp_path_factory: pytest.TempPathFactory, values: list[Any], data: st.DataObject
) -> None:
    stream = b"".join(metric_record(value) for value in values)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    pieces = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert values_of(tmp_path_factory, *pieces) == values


@settings(max_examples=30)
@given(
    garbage=st.lists(st.binary(max_size=40).filter(lambda b: b"ME" not in b and b[-1:] != b"M"), max_size=4),
    data=st.data(),
)
def test_whatever_stands_between_the_records_they_are_read(
    tmp_path_factory: pytest.TempPathFactory, garbage: list[bytes], data: st.DataObject
) -> None:
    stream = b"".join(piece + metric_record(number) for number, piece in enumerate(garbage))
    cut = data.draw(st.integers(0, len(stream)))
    assert values_of(tmp_path_factory, stream[:cut], stream[cut:]) == list(range(len(garbage)))


@pytest.mark.parametrize(
    ("metric", "value"),
    [
        (0.5, 0.5),
        (3, 3.0),
        ({"default": 0.5, "loss": 2}, 0.5),
        (math.inf, math.inf),
        (10**400, math.inf),
        (-(10**400), -math.inf),
        ("0.5", None),
        (None, None),
        (True, None),
        ([0.5], None),
        ({}, None),
        ({"default": "0.5"}, None),
        ({"default": {"default": 1}}, None),
    ],
)
def test_the_tuners_number_is_the_metric_or_its_default(metric: Any, value: float | None) -> None:
    assert default_value(metric) == value


def test_a_default_that_is_not_a_number_stays_one() -> None:
    read = default_value({"default": math.nan})
    assert read is not None
    assert math.isnan(read)


@pytest.mark.parametrize("cut", [9, 30, 70])
def test_a_record_that_was_cut_off_does_not_hide_a_final_result_for_good(tmp_path: Path, cut: int) -> None:
    long = metric_record({"default": 1, "note": "x" * 5000})
    (tmp_path / "metrics").write_bytes(long[:cut] + metric_record(2, "FINAL"))
    reader = MetricReader(tmp_path / "metrics")
    assert [metric.value for metric in [*reader.read(), *reader.read(last=True)]] == [2]


def test_a_value_nested_too_deep_to_read_is_passed_over(metrics: WrittenInPieces) -> None:
    fields = json.dumps({"type": "FINAL", "sequence": 0, "value": "[" * 100_000}).encode()
    metrics.add(b"ME%06d%b" % (len(fields), fields) + metric_record(2))
    assert metrics.values == [2]


def test_a_trial_that_makes_something_else_of_the_file_has_no_metrics(tmp_path: Path) -> None:
    (tmp_path / "metrics").mkdir()
    assert MetricReader(tmp_path / "metrics").read() == []
    assert MetricReader(tmp_path / "metrics" / "x" / "y").read() == []
