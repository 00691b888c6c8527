from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ray_remote_nni.records import RecordStore, create_records
from ray_remote_nni.records.changes import Change, apply_changes, changes_since, last_rev
from ray_remote_nni.records.feed import SIGN_OF_LIFE_S, feed, main, read_line
from ray_remote_nni.records.requests import add_request


def pausing(*actions: Callable[[], object]) -> Callable[[float], bool]:
    """Do one action in each pause; with the last, whoever listened is gone."""
    left = list(actions)

    def pause(seconds: float) -> bool:
        if not left:
            return False
        left.pop(0)()
        return True

    return pause


def kinds(documents: Iterator[dict[str, Any]]) -> list[str]:
    return [document.get("table") or next(iter(document)) for document in documents]


def test_one_burst_is_the_header_the_changes_and_where_they_end(store: RecordStore, path: Path) -> None:
    store.set_driver()
    store.add_trial("aaa", 0, {"x": 0.5})
    header, experiment, trial, end = feed(path, since=0)
    assert header == {"feed": 1, "experiment": "k3f9x2ab"}
    assert (experiment["table"], experiment["row"]["id"]) == ("experiment", "k3f9x2ab")
    assert (trial["table"], trial["row"]["trial_id"], trial["rev"]) == ("trials", "aaa", trial["row"]["rev"])
    assert end["end"] == trial["rev"]
    assert end["driverAlive"] is True
    assert end["status"] == "RUNNING"
    assert abs(end["time"] - time.time()) < 10


def test_what_no_driver_has_dealt_with_is_counted_but_for_a_stop(store: RecordStore, path: Path) -> None:
    update, _ = add_request(path, "update", payload={"maxTrialNumber": 5}), add_request(path, "stop")
    assert [*feed(path, since=0)][-1]["requests"] == 1
    store.finish_request(update)
    assert [*feed(path, since=0)][-1]["requests"] == 0


def test_a_feed_goes_on_from_where_its_reader_was(store: RecordStore, path: Path) -> None:
    (*_, before) = feed(path, since=0)
    store.add_trial("aaa", 0, {})
    assert kinds(feed(path, since=before["end"])) == ["feed", "trials", "end"]
    (*_, end) = feed(path, since=before["end"])
    assert kinds(feed(path, since=end["end"])) == ["feed", "end"]


def test_following_sends_each_change_as_it_comes_and_is_silent_otherwise(store: RecordStore, path: Path) -> None:
    pause = pausing(
        lambda: None,
        lambda: store.add_trial("aaa", 0, {}),
        lambda: None,
        lambda: store.start_attempt("aaa", 1),
        lambda: None,
    )
    assert kinds(feed(path, 0, pause)) == ["feed", "experiment", "end", "trials", "end", "attempts", "trials", "end"]


def test_following_ends_after_the_experiment_has_and_everything_was_sent(store: RecordStore, path: Path) -> None:
    def end() -> None:
        store.add_trial("aaa", 0, {})
        store.set_status("DONE")

    (*_, trial, experiment, last) = feed(path, 0, pausing(end, lambda: pytest.fail("it went on")))
    assert (trial["table"], experiment["table"]) == ("trials", "experiment")
    assert (last["status"], last["end"]) == ("DONE", experiment["rev"])


def test_a_sign_of_life_comes_although_nothing_changes(
    store: RecordStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.monotonic()
    monkeypatch.setattr("ray_remote_nni.records.feed.time.monotonic", lambda: now)

    def wait() -> None:
        nonlocal now
        now += SIGN_OF_LIFE_S

    assert kinds(feed(path, 0, pausing(wait, lambda: None, wait))) == ["feed", "experiment", "end", "end", "end"]


def test_a_dead_driver_is_told(store: RecordStore, path: Path) -> None:
    store.set_driver(pid=2**22 + 1, start=1, now=1.0)
    (*_, end) = feed(path, since=0)
    assert end["driverAlive"] is False


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_or_a_quota_that_is_full_is_told_once_it_may_be_what_the_driver_died_of(
    store: RecordStore, path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def no_room(_: int) -> None:
        raise OSError(number, os.strerror(number))

    def disk_full() -> bool:
        (*_, end) = feed(path, since=0)
        return bool(end["diskFull"])

    store.set_driver(pid=2**22 + 1, start=1, now=1.0)
    assert not disk_full()
    monkeypatch.setattr("ray_remote_nni.records.feed.os.fsync", no_room)
    assert disk_full()
    store.set_driver()
    assert not disk_full()


def test_for_an_experiment_that_has_ended_nothing_is_written_to_see_whether_the_disk_is_full(
    store: RecordStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.set_driver(pid=2**22 + 1, start=1, now=1.0)
    store.set_status("DONE")
    monkeypatch.setattr("ray_remote_nni.records.feed.os.fsync", pytest.fail)
    (*_, end) = feed(path, since=0)
    assert end["diskFull"] is False


def test_a_mirror_is_made_from_the_lines(store: RecordStore, path: Path, tmp_path: Path) -> None:
    store.add_trial("aaa", 0, {"x": "ü\n"})
    store.finish("aaa", 1, "SUCCEEDED", value=float("nan"), metric=float("nan"))
    mirror = tmp_path / "mirror.sqlite"
    lines = [json.dumps(document) for document in feed(path, since=0)]
    found = [read_line(line) for line in lines]
    apply_changes(mirror, [change for change in found if isinstance(change, Change)])
    assert list(changes_since(mirror, 0)) == list(changes_since(path, 0))
    assert found[-1]["end"] == last_rev(mirror)  # type: ignore[index]


def test_without_records_it_says_so_and_exits_4(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 4
    out, err = capsys.readouterr()
    assert out == ""
    assert "there are no records" in err


class Feed:
    """The feed as a process, as the client runs it over SSH."""

    def __init__(self, path: Path, *options: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "ray_remote_nni.records.feed", str(path.parent), *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def until_end(self) -> list[dict[str, Any]]:
        assert self.process.stdout is not None
        documents = []
        for line in self.process.stdout:
            documents.append(json.loads(line))
            if "end" in documents[-1]:
                break
        return documents

    def ended(self) -> tuple[int, bytes]:
        code = self.process.wait(timeout=10)
        assert self.process.stderr is not None
        return code, self.process.stderr.read()


@pytest.fixture
def start(path: Path) -> Iterator[Callable[..., Feed]]:
    feeds: list[Feed] = []

    def start(*options: str) -> Feed:
        feeds.append(Feed(path, *options))
        return feeds[-1]

    yield start
    for running in feeds:
        running.process.kill()
        running.process.wait()
        for stream in (running.process.stdin, running.process.stdout, running.process.stderr):
            assert stream is not None
            stream.close()


def test_the_process_follows_another_process_until_the_experiment_ends(
    store: RecordStore, start: Callable[..., Feed]
) -> None:
    running = start("--follow", "--since", "0")
    assert [*map(next, map(iter, running.until_end()))] == ["feed", "rev", "end"]
    store.add_trial("aaa", 0, {})
    assert running.until_end()[0]["table"] == "trials"
    store.set_status("DONE")
    assert running.until_end()[-1]["status"] == "DONE"
    assert running.ended() == (0, b"")


def test_the_process_ends_when_its_stdin_is_closed(store: RecordStore, start: Callable[..., Feed]) -> None:
    running = start("--follow")
    running.until_end()
    assert running.process.stdin is not None
    running.process.stdin.close()
    assert running.ended() == (0, b"")


def test_the_process_ends_quietly_and_at_once_when_nobody_reads_it_any_more(
    store: RecordStore, start: Callable[..., Feed]
) -> None:
    running = start("--follow")
    running.until_end()
    assert running.process.stdout is not None
    running.process.stdout.close()
    began = time.monotonic()
    assert running.ended() == (0, b"")
    assert time.monotonic() - began < 1.5


def test_the_process_ends_quietly_when_its_reader_dies_in_the_middle_of_a_burst(
    store: RecordStore, start: Callable[..., Feed]
) -> None:
    store.add_trial("aaa", 0, {})
    store.add_metrics("aaa", 1, [(number, "PERIODICAL", number, 1.0) for number in range(5000)])
    running = start()
    assert running.process.stdout is not None
    os.read(running.process.stdout.fileno(), 100)
    running.process.stdout.close()
    assert running.ended() == (0, b"")


def test_the_process_waits_for_records_that_are_yet_to_be_made(path: Path, start: Callable[..., Feed]) -> None:
    running = start("--follow")
    time.sleep(0.2)
    with create_records(path, experiment_id="k3f9x2ab", config={}, search_space={}):
        assert running.until_end()[0] == {"feed": 1, "experiment": "k3f9x2ab"}
