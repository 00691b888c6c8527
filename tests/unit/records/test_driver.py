from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

from ray_remote_nni.records import RecordReader, RecordStore
from ray_remote_nni.records.driver import driver_alive, process_start

NOW = 2_000_000_000.0


def test_a_driver_that_runs_is_alive(store: RecordStore, reader: RecordReader) -> None:
    store.set_driver()
    assert driver_alive(reader.experiment(), NOW)


def test_a_process_that_ended_is_dead_although_nobody_has_waited_for_it(
    store: RecordStore, reader: RecordReader
) -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    store.set_driver(process.pid, now=NOW - 60)
    assert driver_alive(reader.experiment(), NOW)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert process_start(process.pid) is None
    assert not driver_alive(reader.experiment(), NOW)
    process.communicate()
    assert not driver_alive(reader.experiment(), NOW)


def test_a_later_process_with_the_same_pid_is_not_the_driver(store: RecordStore, reader: RecordReader) -> None:
    store.set_driver(now=NOW - 60)
    experiment = reader.experiment()
    assert experiment.driver_start is not None
    assert not driver_alive(replace(experiment, driver_start=experiment.driver_start + 1), NOW)


def test_a_driver_has_a_minute_to_appear(store: RecordStore, reader: RecordReader) -> None:
    experiment = reader.experiment()
    assert driver_alive(experiment, experiment.start_time + 59)
    assert not driver_alive(experiment, experiment.start_time + 61)
    assert not driver_alive(replace(experiment, status="ERROR"), experiment.start_time + 1)


def test_a_driver_that_has_just_announced_itself_is_believed_for_a_second(
    store: RecordStore, reader: RecordReader
) -> None:
    store.set_driver(pid=2**22 + 1, start=1, now=NOW)
    assert driver_alive(reader.experiment(), NOW + 0.5)
    assert not driver_alive(reader.experiment(), NOW + 1.5)


def test_a_clock_that_was_put_back_makes_no_dead_driver_live(store: RecordStore, reader: RecordReader) -> None:
    assert not driver_alive(reader.experiment(), reader.experiment().start_time - 3600)
    store.set_driver(pid=2**22 + 1, start=1, now=NOW)
    assert not driver_alive(reader.experiment(), NOW - 3600)
