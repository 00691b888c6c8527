from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable

from ray_remote_nni.records import RecordReader, RecordStore
from ray_remote_nni.views.export import export_csv, export_json


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_csv_has_a_row_for_each_result_with_its_parameters(reader: RecordReader, add: Callable[..., None]) -> None:
    add(0, 0.5, lr=0.012345678901234567, layer={"_name": "conv", "size": 3})
    add(1, "boom", lr=0.1, layer={"_name": "none"})
    add(2, 0.75, lr=0.2, layer={"_name": "none"})
    add(3, lr=0.3, layer={"_name": "none"})
    assert export_csv(reader) == (
        "lr,layer,layer.size,reward,trialJobId,sequence\n"
        "0.012345678901234567,conv,3,0.5,t0000,0\n"
        "0.2,none,,0.75,t0002,2\n"
    )


def test_the_columns_do_not_depend_on_the_trials(reader: RecordReader, add: Callable[..., None]) -> None:
    header = export_csv(reader)
    assert header == "lr,layer,layer.size,reward,trialJobId,sequence\n"
    add(0, 0.5, layer={"_name": "none"}, lr=0.1)
    assert export_csv(reader).startswith(header)


def test_values_of_every_kind_survive_csv(store: RecordStore, reader: RecordReader, add: Callable[..., None]) -> None:
    values = {"text": 'a,"b"\nc', "list": [1, "ä"], "flag": True, "nothing": None, "number": float("nan")}
    add(0, float("-inf"), **values)
    (row,) = rows(export_csv(reader))
    assert row["text"] == values["text"]
    assert json.loads(row["list"]) == [1, "ä"]
    assert (row["flag"], row["nothing"], row["number"], row["reward"]) == ("true", "", "NaN", "-Infinity")


def test_other_metrics_have_columns_and_names_do_not_clash(store: RecordStore, reader: RecordReader) -> None:
    store.add_trial("a", 0, {"reward": 1, "metric.loss": 2, "lr": 3})
    store.finish("a", 1, "SUCCEEDED", value=0.5, metric={"default": 0.5, "loss": 0.1})
    (row,) = rows(export_csv(reader))
    assert row["reward"] == "0.5"
    assert row["metric.loss"] == "0.1"
    assert (row["parameter.reward"], row["parameter.metric.loss"], row["lr"]) == ("1", "2", "3")


def test_json_is_what_nnictl_imports_again(store: RecordStore, reader: RecordReader, add: Callable[..., None]) -> None:
    add(0, 0.5, lr=0.1, layer={"_name": "conv", "size": 3})
    add(1, "boom")
    store.add_trial("b", 2, {"lr": 0.2})
    store.finish("b", 1, "SUCCEEDED", value=0.7, metric={"default": 0.7, "loss": float("nan")})
    assert json.loads(export_json(reader)) == [
        {
            "parameter": {"lr": 0.1, "layer": {"_name": "conv", "size": 3}},
            "value": 0.5,
            "trialJobId": "t0000",
            "sequence": 0,
        },
        {"parameter": {"lr": 0.2}, "value": {"default": 0.7, "loss": "NaN"}, "trialJobId": "b", "sequence": 2},
    ]


def test_intermediate_results_come_when_asked_for(store: RecordStore, reader: RecordReader) -> None:
    store.add_trial("a", 0, {"lr": 0.1})
    metrics = [(0, "PERIODICAL", 0.1, 1.0), (1, "PERIODICAL", {"default": 0.2}, 1.0)]
    store.finish("a", 1, "SUCCEEDED", metrics=metrics, value=0.5, metric=0.5)
    assert json.loads(export_json(reader, intermediate=True))[0]["intermediate"] == [0.1, {"default": 0.2}]
    assert json.loads(rows(export_csv(reader, intermediate=True))[0]["intermediate"]) == [0.1, {"default": 0.2}]
    assert "intermediate" not in export_json(reader) + export_csv(reader)
