from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

from ray_remote_nni.records import RecordReader, RecordStore
from ray_remote_nni.records.changes import apply_changes, changes_since, last_rev

DRIVER = """
import sys
from pathlib import Path
from ray_remote_nni.records import RecordStore
first = int(sys.argv[2])
with RecordStore.open(Path(sys.argv[1])) as store:
    store.set_driver()
    for sequence in range(first, first + 100_000):
        trial_id = f"t{sequence}"
        store.add_trial(trial_id, sequence, {"x": sequence})
        store.start_attempt(trial_id, 1)
        metrics = [(0, "PERIODICAL", sequence, 1.0)] * 3
        store.finish(trial_id, 1, "SUCCEEDED", machine="m", metrics=metrics, value=sequence, metric=sequence)
        print(sequence, flush=True)
"""


def run_and_kill(path: Path, first: int, after: int) -> int:
    """Return the last trial that the driver said was recorded before it was killed, in the middle of something."""
    driver = subprocess.Popen([sys.executable, "-c", DRIVER, str(path), str(first)], stdout=subprocess.PIPE, text=True)
    assert driver.stdout is not None
    for line in driver.stdout:
        if int(line) == first + after:
            break
    driver.kill()
    rest = driver.stdout.read().split()
    driver.stdout.close()
    driver.wait()
    # The very last line may have been cut off in the middle.
    return max([first + after, *map(int, rest[:-1])])


def test_nothing_that_was_acknowledged_is_lost_when_the_driver_is_killed(
    store: RecordStore, path: Path, tmp_path: Path
) -> None:
    store.close()
    mirror = tmp_path / "mirror.sqlite"
    first = 0
    for after in (0, 7, 40):
        acknowledged = run_and_kill(path, first, after)
        with RecordReader(path) as reader:
            trials = reader.trials()
            finished = [trial for trial in trials if trial.ended]
            assert [trial.sequence for trial in trials] == list(range(len(trials)))
            assert len(finished) > acknowledged
            assert len(trials) - len(finished) <= 1
            for trial in finished:
                assert (trial.value, trial.intermediate) == (trial.sequence, (trial.sequence,) * 3)
        for batch in changes_since(path, last_rev(mirror)):
            apply_changes(mirror, batch)
        with RecordStore.open(path) as again:
            for trial in trials[len(finished) :]:
                again.requeue_trial(trial.trial_id)
                again.end_trial(trial.trial_id, "SUCCEEDED", trial.sequence, trial.sequence)
                again.add_metrics(trial.trial_id, 2, [(0, "PERIODICAL", trial.sequence, 1.0)] * 3)
        first = len(trials)
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()
    for batch in changes_since(path, last_rev(mirror)):
        apply_changes(mirror, batch)
    with RecordReader(mirror) as copy, RecordReader(path) as reader:
        assert copy.trials() == reader.trials()
