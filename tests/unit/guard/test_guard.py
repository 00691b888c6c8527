"""The guard, run for real: its processes, and what becomes of them."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from running_guard import RunningGuard, running_guard, sleeping, until

from ray_remote_nni.guard.client import Ended, GuardedProcess, StartFailed


@pytest.fixture
def guard(tmp_path: Path) -> Iterator[RunningGuard]:
    with running_guard(tmp_path) as running:
        yield running


def end_of(process: GuardedProcess, timeout_s: float = 8.0) -> Ended:
    ended = process.wait(timeout_s)
    assert ended is not None
    return ended


def test_a_process_runs_with_its_output_and_its_exit_code(guard: RunningGuard) -> None:
    with guard.run("echo $GREETING; echo oops >&2; exit 3") as process:
        ended = end_of(process)
    assert (ended.exit_code, ended.reason) == (3, None)
    assert (guard.directory / "t1.out").read_text() == "hello\n"
    assert (guard.directory / "t1.err").read_text() == "oops\n"


def test_a_process_killed_by_a_signal_has_its_shells_exit_code(guard: RunningGuard) -> None:
    with guard.run("kill -9 $$") as process:
        assert end_of(process).exit_code == 137


def test_a_program_that_is_not_there_is_an_error_and_not_a_dead_guard(guard: RunningGuard) -> None:
    with GuardedProcess(guard.socket) as process, pytest.raises(StartFailed, match="No such file"):
        process.start("t", ["/no/such"], cwd="/", environment={}, stdout="/dev/null", stderr="/dev/null")
    with guard.run("true") as process:
        assert end_of(process).exit_code == 0


@pytest.mark.parametrize(
    "script",
    [
        "sleep {0} & wait",
        "setsid sleep {0} & wait",
        "(setsid sleep {0} &) ; sleep 60",
        "(env -i setsid sleep {0} &) ; sleep 60",
        "trap '' TERM; (trap '' TERM; setsid sleep {0} &) ; sleep 60",
        "(setsid sleep {0} &) ; exec sleep 60",
    ],
)
def test_when_the_owner_goes_away_the_whole_tree_is_gone_within_5_seconds(guard: RunningGuard, script: str) -> None:
    mark = f"60.{os.getpid()}"
    process = guard.run(script.format(mark))
    until(lambda: sleeping(mark))
    started = time.monotonic()
    process.close()
    until(lambda: not sleeping(mark))
    assert time.monotonic() - started < 5


def test_what_a_process_left_behind_ends_with_it(guard: RunningGuard) -> None:
    mark = f"61.{os.getpid()}"
    with guard.run(f"(env -i setsid sleep {mark} &) ; sleep 0.3; exit 0") as process:
        until(lambda: sleeping(mark))
        assert end_of(process).exit_code == 0
    assert not sleeping(mark)


def test_the_orphan_of_one_tree_does_not_end_with_another(guard: RunningGuard) -> None:
    mark = f"62.{os.getpid()}"
    with guard.run(f"(setsid sleep {mark} &) ; sleep 60", name="long") as long:
        until(lambda: sleeping(mark))
        with guard.run("(sleep 0.1 &); exit 0", name="short") as short:
            end_of(short)
        assert sleeping(mark)
        long.stop()
        assert end_of(long).reason == "stopped"
    assert not sleeping(mark)


def test_a_time_limit_ends_the_tree_and_says_so(guard: RunningGuard) -> None:
    with guard.run("sleep 60", timeout_s=0.2) as process:
        ended = end_of(process)
    assert (ended.reason, ended.exit_code) == ("timeout", 143)


def test_a_stopped_process_can_save_its_work(guard: RunningGuard) -> None:
    with guard.run("trap 'echo saved; exit 0' TERM; sleep 60 & wait") as process:
        until(lambda: (guard.directory / "t1.out").exists())
        time.sleep(0.3)
        process.stop()
        end_of(process)
    assert (guard.directory / "t1.out").read_text() == "saved\n"


@pytest.mark.parametrize("victim", ["guard", "nanny", "daemon"])
def test_whichever_of_guard_nanny_and_daemon_is_killed_nothing_is_left(guard: RunningGuard, victim: str) -> None:
    mark = f"63.{os.getpid()}"
    process = guard.run(f"(env -i setsid sleep {mark} &) ; sleep 60")
    until(lambda: sleeping(mark))
    everything = [guard.nanny, guard.guard_pid()]
    daemon = int(subprocess.run(["pgrep", "-oP", str(everything[1]), "sleep"], capture_output=True, text=True).stdout)
    os.kill({"guard": everything[1], "nanny": guard.nanny, "daemon": daemon}[victim], signal.SIGKILL)
    until(lambda: not sleeping(mark))
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in [*everything, daemon]))
    process.close()


def test_a_guard_told_to_end_takes_everything_with_it(guard: RunningGuard) -> None:
    mark = f"64.{os.getpid()}"
    process = guard.run(f"trap '' TERM; setsid sleep {mark} & wait")
    until(lambda: sleeping(mark))
    os.kill(guard.nanny, signal.SIGTERM)
    until(lambda: not guard.alive() and not sleeping(mark))
    process.close()
