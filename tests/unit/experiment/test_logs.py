"""A trial's output: from here, or fetched from its machine as it comes."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from experiment_values import new_records
from this_machine import cluster, on_machine

from ray_remote_nni.cluster.local import LocalTransport
from ray_remote_nni.errors import NotFound
from ray_remote_nni.experiment.access import ClusterAccess
from ray_remote_nni.experiment.logs import Stream, _in_turn, algorithm_log, fetch, trial_output
from ray_remote_nni.experiment.registry import ExperimentEntry
from ray_remote_nni.records.reader import RecordReader


class Access:
    """Every machine is this one, and its login shell greets."""

    async def connect(self, _: Any) -> LocalTransport:
        class Greeting(LocalTransport):
            def run(self, command: str) -> Any:
                return super().run(f"echo welcome; {command}")

        return Greeting()


def fetched(home: Path, *streams: Stream, follow: bool = False) -> Any:
    node = cast(Any, SimpleNamespace(home=str(home), label="gpu1", python=sys.executable))
    files = [f"trials/aB3dE/{stream}" for stream in streams or ["stdout"]]
    return _in_turn(fetch(Access().connect, node, "exp12345", files, "trial aB3dE", follow=follow))


@pytest.fixture
def output(tmp_path: Path) -> Path:
    folder = tmp_path / ".ray-nni/experiments/exp12345/trials/aB3dE"
    folder.mkdir(parents=True)
    return folder / "stdout"


def test_output_arrives_byte_for_byte_without_the_login_shells_greeting(output: Path, tmp_path: Path) -> None:
    output.write_bytes(b"one\n-- ray-nni output --\n\0\xff")
    assert b"".join(fetched(tmp_path)) == output.read_bytes()


def test_output_of_100_mb_comes_in_parts(output: Path, tmp_path: Path) -> None:
    with output.open("wb") as file:
        file.truncate(10**8)
    sizes = [len(part) for part in fetched(tmp_path)]
    assert sum(sizes) == 10**8
    assert max(sizes) <= 2**20


def test_who_has_seen_enough_of_it_leaves_the_rest(output: Path, tmp_path: Path) -> None:
    with output.open("wb") as file:
        file.truncate(10**9)
    parts = fetched(tmp_path)
    assert next(parts)
    parts.close()


def test_output_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="gpu1"):
        list(fetched(tmp_path))


WRITER = "import sys, time\nfor text in sys.argv[1:]: print(text, flush=True); time.sleep(0.5)"


def test_output_that_is_followed_comes_while_it_is_written_until_nobody_writes_any_more(
    output: Path, tmp_path: Path
) -> None:
    errors = output.with_name("stderr")
    with output.open("ab") as out, errors.open("ab") as err:
        writer = subprocess.Popen([sys.executable, "-c", WRITER, "one", "two", "three"], stdout=out, stderr=err)
        out.write(b"from before\n")
    came = [(part, writer.poll()) for part in fetched(tmp_path, "stdout", "stderr", follow=True)]

    assert b"".join(part for part, _ in came).split() == [b"from", b"before", b"one", b"two", b"three"]
    assert came[0][1] is None
    assert writer.wait() == 0


def test_output_of_an_ended_trial_that_is_followed_just_comes(output: Path, tmp_path: Path) -> None:
    output.write_bytes(b"said")
    with output.open("rb"):
        assert b"".join(fetched(tmp_path, follow=True)) == b"said"


def test_who_follows_no_more_leaves_nothing_on_the_machine(output: Path, tmp_path: Path) -> None:
    with output.open("ab"):
        parts = fetched(tmp_path, follow=True)
        output.write_bytes(b"said")
        assert next(parts) == b"said"
        assert followers(output)
        parts.close()
        deadline = time.monotonic() + 10
        while followers(output) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert followers(output) == []


def followers(output: Path) -> list[str]:
    """Return the processes other than this one that have the output open."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            numbers = os.listdir(f"/proc/{pid}/fd") if pid != str(os.getpid()) else []
            found += [pid for number in numbers if os.path.realpath(f"/proc/{pid}/fd/{number}") == str(output)]
    return found


def output_of(entry: ExperimentEntry, machine: str | None = "localhost") -> bytes:
    file = entry.mirror
    if not file.exists():
        with new_records(file) as store:
            store.add_trial("aB3dE", 0, {}, start=True)
            if machine is not None:
                store.attempt_started("aB3dE", 1, machine, (), 1.0)
    with RecordReader(file) as records:
        trial = records.trial("aB3dE")
    return b"".join(trial_output(entry, trial, ["stdout"], lambda prompt: ""))


def test_output_that_is_mirrored_is_read_here(home: Path, entry: ExperimentEntry) -> None:
    (entry.trials_directory / "aB3dE").mkdir(parents=True)
    (entry.trials_directory / "aB3dE" / "stdout").write_bytes(b"here\xff")
    assert output_of(entry) == b"here\xff"


def test_output_of_a_running_trial_is_fetched_from_its_machine(home: Path, entry: ExperimentEntry) -> None:
    cluster(home).save()
    on_machine(home)
    assert output_of(entry) == b"out\xff\0\n"


def test_output_is_found_on_the_right_one_of_two_machines_behind_one_address(
    home: Path, entry: ExperimentEntry, tmp_path: Path
) -> None:
    state = cluster(home, "localhost", "localhost")
    elsewhere = replace(state.machines[0], home=str(tmp_path / "elsewhere"), shown_port=10022)
    replace(state, machines=(elsewhere, replace(state.machines[1], shown_port=10023))).save()
    on_machine(home)
    assert output_of(entry, "localhost port 10023") == b"out\xff\0\n"


def test_output_on_a_cluster_that_is_down_is_told_with_its_machine(home: Path, entry: ExperimentEntry) -> None:
    with pytest.raises(NotFound, match="is on localhost, whose cluster is not up"):
        output_of(entry)


def test_a_trial_that_has_not_started_has_no_output(home: Path, entry: ExperimentEntry) -> None:
    with pytest.raises(NotFound, match="has not started"):
        output_of(entry, None)


def test_output_that_is_gone_from_its_machine_is_an_error_and_not_empty(home: Path, entry: ExperimentEntry) -> None:
    state = cluster(home)
    connect = ClusterAccess(state, None).connect
    with pytest.raises(NotFound, match="aB3dE on localhost"):
        list(_in_turn(fetch(connect, state.machines[0], "exp12345", ["trials/aB3dE/stdout"], "trial aB3dE")))


def test_what_an_own_tuner_said_is_read_on_the_head_while_that_is_up_and_here_afterwards(
    home: Path, entry: ExperimentEntry
) -> None:
    with pytest.raises(NotFound, match="which is not up"):
        list(algorithm_log(entry, "tuner", lambda prompt: ""))
    (entry.log_directory).mkdir(parents=True)
    (entry.log_directory / "tuner.log").write_bytes(b"here")
    assert list(algorithm_log(entry, "tuner", lambda prompt: "")) == [b"here"]

    cluster(home).save()
    assert list(algorithm_log(entry, "tuner", lambda prompt: "")) == [b"here"]
    folder = home / ".ray-nni/experiments/exp12345/log"
    folder.mkdir(parents=True)
    (folder / "tuner.log").write_bytes(b"on the head")
    assert b"".join(algorithm_log(entry, "tuner", lambda prompt: "")) == b"on the head"
    with pytest.raises(NotFound, match="no output of the assessor on localhost"):
        list(algorithm_log(entry, "assessor", lambda prompt: ""))
