"""One attempt of a trial, run for real under a real guard."""

from __future__ import annotations

import os
import resource
import shlex
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from a_trial import ATrial, end_of
from code_values import put_code
from running_guard import sleeping, until
from trial_values import metric_record

from ray_remote_nni.trial import working_copy
from ray_remote_nni.trial.spec import Ended, NotStarted, Reported, Started, TrialEvent

PROJECT = Path(__file__).parents[3]


def report(value: Any, kind: str = "PERIODICAL") -> str:
    """The shell command that appends a metric."""
    record = metric_record(value, kind).decode()
    return f"printf %s {shlex.quote(record)} >>$NNI_SYS_DIR/.nni/metrics"


def test_a_trial_tells_its_start_its_metrics_and_its_end_in_order(trial: ATrial) -> None:
    before = time.time()
    started, first, final, ended = trial.run(f"{report(0.5)}; {report(0.9, 'FINAL')}")
    assert isinstance(started, Started)
    assert started.machine == "gpu1"
    assert isinstance(first, Reported)
    assert isinstance(final, Reported)
    assert [(first.kind, first.value), (final.kind, final.value)] == [("PERIODICAL", 0.5), ("FINAL", 0.9)]
    assert isinstance(ended, Ended)
    assert (ended.exit_code, ended.reason, ended.error) == (0, None, None)
    assert before <= started.time <= ended.time <= time.time()


def test_what_a_trial_goes_on_from_and_does_not_find_is_told_though_it_makes_that_itself(
    trial: ATrial, tmp_path: Path
) -> None:
    saved = str(tmp_path / "saved")

    def missing(loads: str | None) -> bool:
        started, *_ = trial.run(f"mkdir -p {saved}", loads=loads)
        assert isinstance(started, Started)
        return started.missing

    assert [missing(saved), missing(saved), missing(None)] == [True, False, False]
    # A link among the code may lead to the folder that all machines share.
    assert not missing("train.py")


def test_a_short_trial_is_told_in_one_batch(trial: ATrial) -> None:
    assert len(list(trial.attempt(report(1, "FINAL")))) == 1


def test_a_trial_that_is_not_short_has_many_small_files_written_for_the_next(
    trial: ATrial, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(working_copy, "_MANY", 0)
    spare = put_code(trial.code) / "spare"
    trial.run("true")
    assert not spare.exists()
    trial.trial_id += "2"
    waiting = trial.run(f"until ls {spare}/small-*/train.py; do sleep 0.05; done", timeout_s=30.0)
    assert end_of(waiting).exit_code == 0
    assert len(list(spare.iterdir())) == 1


def test_a_trial_runs_in_its_own_copy_of_the_code(trial: ATrial) -> None:
    trial.run(f"{sys.executable} train.py; touch made_by_the_trial")
    assert trial.workspace.stdout.read_text() == "trained\n"
    assert (trial.workspace.code / "made_by_the_trial").exists()
    trial.trial_id += "2"
    trial.run("ls")
    assert trial.workspace.stdout.read_text() == "train.py\n"


def test_output_is_kept_byte_for_byte_each_stream_by_itself(trial: ATrial) -> None:
    trial.run(r"printf 'out\0\377'; printf 'err' >&2")
    assert trial.workspace.stdout.read_bytes() == b"out\0\xff"
    assert trial.workspace.stderr.read_bytes() == b"err"


@pytest.mark.parametrize(("command", "code_of_exit"), [("exit 3", 3), ("kill -9 $$", 137), ("kill -TERM $$", 143)])
def test_a_trial_that_fails_has_its_shells_exit_code(trial: ATrial, command: str, code_of_exit: int) -> None:
    assert end_of(trial.run(command)).exit_code == code_of_exit


def test_a_trial_that_fails_is_told_with_the_last_lines_of_its_standard_error(trial: ATrial) -> None:
    ended = end_of(trial.run("echo 'Traceback'; echo 'ValueError: no' >&2; exit 1"))
    assert ended.error == "ValueError: no"


def test_a_command_that_is_not_there_is_the_trials_failure(trial: ATrial) -> None:
    ended = end_of(trial.run("no-such-command"))
    assert ended.exit_code == 127
    assert "no-such-command" in str(ended.error)


def test_what_a_trial_wrote_to_standard_error_is_no_error_where_it_succeeds(trial: ATrial) -> None:
    assert end_of(trial.run("echo warning >&2")).error is None


def test_a_trial_without_a_metric_just_starts_and_ends(trial: ATrial) -> None:
    assert [type(event) for event in trial.run("true")] == [Started, Ended]


def test_of_two_final_results_both_arrive(trial: ATrial) -> None:
    events = trial.run(f"{report(1, 'FINAL')}; {report(2, 'FINAL')}")
    assert [event.value for event in events if isinstance(event, Reported)] == [1, 2]


def test_a_metric_arrives_while_its_trial_runs(trial: ATrial) -> None:
    attempt = trial.attempt(f"{report(0.5)}; sleep 60")
    seen: list[TrialEvent] = []
    while not any(isinstance(event, Reported) for event in seen):
        seen += next(attempt)
    assert not any(isinstance(event, Ended) for event in seen)
    attempt.close()


def test_a_trial_that_takes_too_long_is_ended_for_that_reason(trial: ATrial) -> None:
    mark = f"60.1{os.getpid()}"
    events = trial.run(f"{report(0.5)}; setsid sleep {mark} & sleep {mark}", timeout_s=0.3)
    assert end_of(events).reason == "timeout"
    assert not sleeping(mark)
    # What it reported until then is not lost.
    assert [event.value for event in events if isinstance(event, Reported)] == [0.5]


def test_a_trial_whose_iterator_is_closed_is_gone_with_all_that_it_forked(trial: ATrial) -> None:
    mark = f"60.2{os.getpid()}"
    command = f"sleep {mark} & (env -i setsid sleep {mark} &); wait"
    attempt = trial.attempt(command)
    assert isinstance(next(attempt)[0], Started)
    until(lambda: len(sleeping(mark)) == 2)
    attempt.close()
    until(lambda: not sleeping(mark), timeout_s=5)


def test_what_a_trial_left_in_the_background_is_gone_when_it_ends(trial: ATrial) -> None:
    mark = f"60.3{os.getpid()}"
    assert end_of(trial.run(f"sleep {mark} & setsid sleep {mark} & exit 0")).exit_code == 0
    assert not sleeping(mark)


def test_100_mb_of_output_are_kept_on_disk_and_never_in_memory(trial: ATrial) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    command = "head -c 100000000 /dev/zero; head -c 100000000 /dev/zero >&2; exit 3"
    ended = end_of(trial.run(command))
    assert ended.exit_code == 3
    assert [trial.workspace.stdout.stat().st_size, trial.workspace.stderr.stat().st_size] == [10**8, 10**8]
    assert len(str(ended.error)) <= 4096
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


def test_a_trial_that_heeds_sigterm_ends_by_itself_and_one_that_does_not_is_killed(trial: ATrial) -> None:
    heeds = "trap 'echo saved; exit 0' TERM; echo ready; while :; do sleep 0.05; done"
    assert end_of(trial.run(heeds, timeout_s=1.0)).reason == "timeout"
    assert trial.workspace.stdout.read_text() == "ready\nsaved\n"
    began = time.monotonic()
    ended = end_of(trial.run("trap '' TERM; while :; do sleep 0.05; done", attempt=2, timeout_s=0.3))
    assert (ended.reason, ended.exit_code) == ("timeout", 137)
    assert time.monotonic() - began < 0.3 + 5.0


def test_a_trial_waits_for_the_end_of_one_that_was_killed_on_its_gpu(trial: ATrial) -> None:
    stubborn = trial.attempt("trap '' TERM; echo started >&2; sleep 600 & wait; wait", gpus=(1,), gpu_number=1)
    next(stubborn)
    until(lambda: "started" in trial.workspace.stderr.read_text())
    stubborn.close()  # type: ignore[attr-defined]
    killed = time.time()
    second = replace(trial, trial_id=f"{trial.trial_id}b")
    events = second.run("true", gpus=(0, 1), gpu_number=2)
    assert isinstance(events[0], Started)
    # The guard gives it 4 s to end by itself.
    assert events[0].time > killed + 3
    assert events[-1].exit_code == 0  # type: ignore[union-attr]


def test_a_machines_limit_counts_the_trials_of_experiments_that_have_none_of_their_own(trial: ATrial) -> None:
    first = trial.attempt("sleep 0.5")
    next(first)
    second = replace(trial, trial_id=f"{trial.trial_id}b")
    started, *_ = second.run("true", max_trials=1)
    (*_, ended) = [event for batch in first for event in batch]
    assert isinstance(started, Started)
    assert started.time >= end_of([ended]).time


def test_without_a_guard_the_attempt_was_not_started(trial: ATrial, tmp_path: Path) -> None:
    trial.machine = replace(trial.machine, guard_socket=str(tmp_path / "nobody"))
    (event,) = trial.run("true")
    assert isinstance(event, NotStarted)
    assert event.machine == "gpu1"


def test_a_disk_that_takes_nothing_is_the_machines_failure(trial: ATrial, tmp_path: Path) -> None:
    (tmp_path / ".ray-nni").mkdir()
    (tmp_path / ".ray-nni/experiments").touch()
    (event,) = trial.run("true")
    assert isinstance(event, NotStarted)


def test_the_same_attempt_does_not_run_twice_at_once(trial: ATrial) -> None:
    first = trial.attempt("sleep 60")
    next(first)
    (event,) = trial.run("true")
    assert isinstance(event, NotStarted)
    first.close()


def test_a_final_result_behind_a_record_that_was_cut_off_arrives(trial: ATrial) -> None:
    cut = metric_record({"default": 1, "note": "x" * 500})[:60].decode()
    events = trial.run(f"printf %s {shlex.quote(cut)} >>$NNI_SYS_DIR/.nni/metrics; {report(2, 'FINAL')}")
    assert [event.value for event in events if isinstance(event, Reported)] == [2]


def test_a_program_whose_long_name_ends_within_a_character_is_ended_too(trial: ATrial) -> None:
    mark = f"60.4{os.getpid()}"
    # The kernel keeps 15 bytes of a name: seven characters and a half of these.
    command = f'cp "$(command -v sleep)" ééééééééé && (setsid ./ééééééééé {mark} &) ; sleep 60'
    find = ["pgrep", "-f", f"^./ééééééééé {mark}$"]
    attempt = trial.attempt(command)
    next(attempt)
    until(lambda: subprocess.run(find, capture_output=True).returncode == 0)
    attempt.close()
    until(lambda: subprocess.run(find, capture_output=True).returncode != 0, timeout_s=6)


@pytest.mark.parametrize(("x", "values"), [(5, [7, 6, 5, 4]), (1e-05, [11.9999, 10.9999, 9.99994, 8.99994])])
def test_the_example_in_bash_reads_its_parameters_and_reports_its_metrics(
    x: float, values: list[float], trial: ATrial
) -> None:
    script = PROJECT / "configs" / "bash" / "trial.sh"
    (trial.code / script.name).write_text(script.read_text())
    events = trial.run(f"bash {script.name}", parameters={"x": x, "unit": "metres"})
    metrics = [event for event in events if isinstance(event, Reported)]
    assert [(metric.kind, metric.value) for metric in metrics] == [
        *(("PERIODICAL", value) for value in values[:3]),
        ("FINAL", values[3]),
    ]
    assert end_of(events).exit_code == 0


def test_a_burst_of_ten_thousand_intermediate_results_arrives_whole_and_in_order(trial: ATrial) -> None:
    line = shlex.quote(
        'BEGIN { for (i = 0; i < 10000; i++) { line = sprintf("{\\"type\\": \\"PERIODICAL\\", \\"sequence\\": %d, '
        '\\"value\\": \\"%d\\"}", i, 2 * i); printf "ME%06d%s\\n", length(line) + 1, line } }'
    )
    events = trial.run(f"awk {line} >>$NNI_SYS_DIR/.nni/metrics; {report(1, 'FINAL')}")
    *burst, final = [event for event in events if isinstance(event, Reported)]
    assert [(metric.sequence, metric.value) for metric in burst] == [(i, 2 * i) for i in range(10000)]
    assert (final.kind, final.value) == ("FINAL", 1)
