"""The client's mirror of an experiment: what is fetched from a machine, and how it is kept here."""

from __future__ import annotations

import asyncio
import io
import json
import os
import resource
import sys
import tarfile
import threading
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from experiment_values import experiment_entry, new_records

import ray_remote_nni
from ray_remote_nni.cluster.local import LocalTransport
from ray_remote_nni.cluster.state import ClusterState, MachineState
from ray_remote_nni.cluster.transport import Transport, quote
from ray_remote_nni.errors import MachineError, NotFound
from ray_remote_nni.experiment import collect, run
from ray_remote_nni.experiment.access import ClusterAccess
from ray_remote_nni.experiment.attach import DriverDied, attach
from ray_remote_nni.experiment.collect import ARCHIVE_MARK
from ray_remote_nni.experiment.head import Head
from ray_remote_nni.experiment.logs import _fetch, _in_turn, trial_output
from ray_remote_nni.experiment.mirror import _unpack, catch_up, follow, pull_outputs
from ray_remote_nni.experiment.registry import ExperimentEntry
from ray_remote_nni.experiment.stop import stop_experiment
from ray_remote_nni.records.model import ExperimentStatus
from ray_remote_nni.records.reader import RecordReader

LIBRARY = Path(ray_remote_nni.__file__).parents[1]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of this machine, which is the head as well."""
    folder = tmp_path / "home"
    (folder / ".ray-nni" / "lib").mkdir(parents=True)
    (folder / ".ray-nni" / "lib" / "ray-nni-lib").symlink_to(LIBRARY)
    monkeypatch.setenv("HOME", str(folder))
    return folder


@pytest.fixture
def entry(tmp_path: Path) -> ExperimentEntry:
    return experiment_entry(tmp_path / "mirror")


def cluster(home: Path, *hosts: str) -> ClusterState:
    machines = tuple(
        MachineState(host, None, None, n, host, str(home), sys.executable, str(home / "node"), str(home / "node"), ())
        for n, host in enumerate(hosts or ("localhost",))
    )
    return ClusterState(
        "abc123", "/c.yml", "local", "up", 1.0, "token", "ray-nni-lib", "2.60.0", "localhost:1", 2, machines
    )


def on_machine(home: Path, trial_id: str = "aB3dE", experiment_id: str = "exp12345") -> Path:
    """A trial's folder on the machine, with all that a trial leaves."""
    folder = home / ".ray-nni" / "experiments" / experiment_id / "trials" / trial_id
    (folder / ".nni").mkdir(parents=True)
    (folder / "code").mkdir()
    (folder / "code" / "big.bin").write_bytes(bytes(1000))
    (folder / "stdout").write_bytes(b"out\xff\0\n")
    (folder / "stderr").write_bytes(b"err\n")
    (folder / "parameter.cfg").write_text("{}")
    (folder / ".nni" / "metrics").write_bytes(b"ME000001x")
    return folder


def collected(monkeypatch: pytest.MonkeyPatch, *trial_ids: str) -> bytes:
    """What a machine sends when it is asked for these trials."""
    output = io.BytesIO()
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps({"experiment": "exp12345", "trials": trial_ids})))
    monkeypatch.setattr("sys.stdout", type("Out", (), {"buffer": output})())
    collect.main()
    monkeypatch.undo()
    return output.getvalue()


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("noise", [b"", b"Welcome!", b"Welcome!\nto this machine", b"\n" * 1000])
def test_what_a_machine_sends_arrives_behind_whatever_its_login_shell_printed(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, noise: bytes
) -> None:
    on_machine(home)
    sent = collected(monkeypatch, "aB3dE")
    _unpack(io.BytesIO(noise + sent), tmp_path / "trials", ["aB3dE"])
    assert files(tmp_path / "trials") == {
        "aB3dE/stdout": b"out\xff\0\n",
        "aB3dE/stderr": b"err\n",
        "aB3dE/parameter.cfg": b"{}",
        "aB3dE/.nni/metrics": b"ME000001x",
    }


def test_trials_that_a_machine_does_not_have_are_left_out(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_machine(home)
    _unpack(io.BytesIO(collected(monkeypatch, "gone1", "aB3dE")), tmp_path / "trials", ["gone1", "aB3dE"])
    assert [folder.name for folder in (tmp_path / "trials").iterdir()] == ["aB3dE"]


def test_what_is_here_already_is_not_replaced(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on_machine(home)
    kept = tmp_path / "trials" / "aB3dE"
    kept.mkdir(parents=True)
    (kept / "stdout").write_text("mine")
    _unpack(io.BytesIO(collected(monkeypatch, "aB3dE")), tmp_path / "trials", ["aB3dE"])
    assert files(kept) == {"stdout": b"mine"}


def test_unpacking_leaves_nothing_else_behind(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on_machine(home)
    sent = collected(monkeypatch, "aB3dE")
    (tmp_path / "mirror").mkdir()
    _unpack(io.BytesIO(sent), tmp_path / "mirror" / "trials", ["aB3dE"])
    assert [path.name for path in (tmp_path / "mirror").iterdir()] == ["trials"]


def test_an_archive_that_was_cut_off_leaves_no_trial_half(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_machine(home)
    (on_machine(home, "bbbbb") / "stdout").write_bytes(bytes(range(256)) * 4000)
    sent = collected(monkeypatch, "aB3dE", "bbbbb")
    with pytest.raises(EOFError):
        _unpack(io.BytesIO(sent[:-100]), tmp_path / "trials", ["aB3dE", "bbbbb"])
    assert list((tmp_path / "trials").iterdir()) == []


def test_a_machine_that_was_taken_over_puts_nothing_where_it_was_not_asked_for(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("mine")
    sent = io.BytesIO(ARCHIVE_MARK)
    sent.seek(0, io.SEEK_END)
    with tarfile.open(fileobj=sent, mode="w|gz") as archive:
        for name in ("../out", str(tmp_path / "out"), "aB3dE/../../out", "aB3dE/other", "bbbbb/stdout"):
            archive.addfile(tarfile.TarInfo(name))
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE):
            link = tarfile.TarInfo("aB3dE/stderr")
            link.type, link.linkname = kind, str(tmp_path / "secret")
            archive.addfile(link)
        archive.addfile(tarfile.TarInfo("aB3dE/stdout"))
    _unpack(sent, tmp_path / "trials", ["aB3dE"])
    assert files(tmp_path) == {"secret": b"mine", "trials/aB3dE/stdout": b""}


def test_what_a_machine_sends_can_be_read_by_its_owner_only(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_machine(home)
    sent = collected(monkeypatch, "aB3dE")
    before = os.umask(0)
    try:
        _unpack(io.BytesIO(sent), tmp_path / "new" / "trials", ["aB3dE"])
    finally:
        os.umask(before)
    assert [path for path in (tmp_path / "new").rglob("*") if path.stat().st_mode & 0o077] == []
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700


# Records


def record_on_head(home: Path, *ended: tuple[str, str]) -> None:
    """Records of an experiment that is done, with a trial for each (id, machine)."""
    with new_records(home / ".ray-nni" / "experiments" / "exp12345" / "records.sqlite") as store:
        for sequence, (trial_id, machine) in enumerate(ended):
            store.add_trial(trial_id, sequence, {"x": 0.5}, start=True)
            store.finish(
                trial_id,
                1,
                "SUCCEEDED",
                machine=machine,
                gpu_indices=(),
                start_time=1.0,
                metrics=[(0, "FINAL", 0.9, 2.0)],
                value=0.9,
                metric=0.9,
                end_time=3.0,
                exit_code=0,
                outcome="ended",
            )
        store.set_status("DONE")


def test_a_mirror_has_what_the_head_has(home: Path, entry: ExperimentEntry) -> None:
    record_on_head(home, ("aB3dE", "localhost"))
    pulse = asyncio.run(catch_up(entry, Head(cluster(home), LocalTransport())))
    assert pulse is not None
    assert (pulse.status, pulse.driver_alive) == ("DONE", False)
    with (
        RecordReader(entry.mirror) as here,
        RecordReader(home / ".ray-nni" / "experiments" / "exp12345" / "records.sqlite") as there,
    ):
        assert here.trials() == there.trials()


@pytest.mark.parametrize(
    "noise", ["{ welcome to the lab }", '{"maintenance": "Sunday"}', '{"end": 9, "status": "RUNNING"}']
)
def test_a_login_shell_that_greets_in_braces_is_not_taken_for_the_head(
    home: Path, entry: ExperimentEntry, noise: str
) -> None:
    class Greeting(LocalTransport):
        def run(self, command: str) -> Any:
            return super().run(f"echo {quote(noise)}; {command}")

    record_on_head(home, ("aB3dE", "localhost"))
    pulse = asyncio.run(catch_up(entry, Head(cluster(home), Greeting())))
    assert pulse is not None
    assert pulse.status == "DONE"
    with RecordReader(entry.mirror) as here:
        assert [trial.trial_id for trial in here.trials()] == ["aB3dE"]


def test_catching_up_twice_changes_nothing(home: Path, entry: ExperimentEntry) -> None:
    record_on_head(home, ("aB3dE", "localhost"))
    head = Head(cluster(home), LocalTransport())
    asyncio.run(catch_up(entry, head))
    with RecordReader(entry.mirror) as records:
        before = records.trials()
    asyncio.run(catch_up(entry, head))
    with RecordReader(entry.mirror) as records:
        assert records.trials() == before


def test_a_head_without_these_records_has_no_pulse(home: Path, entry: ExperimentEntry) -> None:
    assert asyncio.run(catch_up(entry, Head(cluster(home), LocalTransport()))) is None
    assert not entry.mirror.exists()


def test_following_ends_with_the_experiment(home: Path, entry: ExperimentEntry) -> None:
    record_on_head(home, ("aB3dE", "localhost"))

    async def up() -> list[str]:
        return [pulse.status async for pulse in follow(entry, Head(cluster(home), LocalTransport()))]

    assert asyncio.run(up())[-1] == "DONE"


def test_watching_waits_where_a_full_disk_here_takes_no_records_until_there_is_room(
    home: Path, entry: ExperimentEntry
) -> None:
    record_on_head(home, ("aB3dE", "localhost"))
    room = resource.getrlimit(resource.RLIMIT_FSIZE)
    said = []

    def trouble(message: str) -> None:
        said.append(message)
        if message:
            resource.setrlimit(resource.RLIMIT_FSIZE, room)

    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, room[1]))
    try:
        status = asyncio.run(attach(entry, ClusterAccess(cluster(home), None), lambda: None, trouble))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, room)
    assert status == "DONE"
    assert [bool(message) for message in said] == [False, True, False]
    assert f"{entry.mirror}: nothing can be recorded" in said[1]
    assert "The experiment goes on there; trying again." in said[1]


def test_a_driver_that_died_while_the_connection_was_lost_is_told_as_soon_as_that_is_back(
    home: Path, entry: ExperimentEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ray_remote_nni.experiment.attach._UNSEEN_S", 1000.0)
    with new_records(home / ".ray-nni" / "experiments" / "exp12345" / "records.sqlite") as store:
        store.set_driver()

        # The first time it is seen alive.
        lost = iter([False, True])

        def changed() -> None:
            if next(lost, False):
                store.set_driver(pid=2**22 + 1, start=1, now=1.0)
                raise MachineError("localhost", "the connection was lost.")

        watching = attach(entry, ClusterAccess(cluster(home), None), changed, lambda message: None)
        with pytest.raises(DriverDied):
            asyncio.run(asyncio.wait_for(watching, 20))


def test_a_stop_waits_until_a_machine_that_hangs_is_given_up(
    home: Path, entry: ExperimentEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    with new_records(home / ".ray-nni" / "experiments" / "exp12345" / "records.sqlite") as store:
        store.set_driver()
        now = time.monotonic()

        async def ten_seconds_later(_: float) -> None:
            nonlocal now
            now += 10
            if now - began >= 40:
                store.set_status("STOPPED")

        began = now
        monkeypatch.setattr("ray_remote_nni.experiment.stop.time.monotonic", lambda: now)
        monkeypatch.setattr("ray_remote_nni.experiment.stop.asyncio", SimpleNamespace(sleep=ten_seconds_later))
        pulse = asyncio.run(stop_experiment(entry, Head(cluster(home), LocalTransport())))
    assert pulse is not None
    assert pulse.status == "STOPPED"


# Outputs


def pull(home: Path, entry: ExperimentEntry, *hosts: str) -> list[MachineError]:
    async def connect(machine: MachineState) -> Transport:
        if machine.host == "off":
            raise MachineError("off", "it is off.")
        return LocalTransport(machine.host)

    return asyncio.run(pull_outputs(entry, cluster(home, *hosts), connect))


def test_the_output_of_ended_trials_is_brought_here(home: Path, entry: ExperimentEntry) -> None:
    record_on_head(home, ("aB3dE", "localhost"))
    asyncio.run(catch_up(entry, Head(cluster(home), LocalTransport())))
    on_machine(home)
    assert pull(home, entry) == []
    assert (entry.trials_directory / "aB3dE" / "stdout").read_bytes() == b"out\xff\0\n"


def test_a_machine_that_is_off_costs_only_its_own_trials_output(home: Path, entry: ExperimentEntry) -> None:
    record_on_head(home, ("aB3dE", "localhost"), ("bbbbb", "off"))
    asyncio.run(catch_up(entry, Head(cluster(home), LocalTransport())))
    on_machine(home)
    (error,) = pull(home, entry, "localhost", "off")
    assert error.machine == "off"
    assert [folder.name for folder in entry.trials_directory.iterdir()] == ["aB3dE"]


def test_without_a_mirror_nothing_is_missing(home: Path, entry: ExperimentEntry) -> None:
    assert pull(home, entry) == []


# Logs


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
    with pytest.raises(NotFound, match="aB3dE on localhost"):
        list(_in_turn(_fetch(ClusterAccess(state, None), state.machines[0], "exp12345", "aB3dE", ["stdout"])))


def test_output_that_cannot_be_kept_here_is_told_and_stops_nothing_else(home: Path, entry: ExperimentEntry) -> None:
    record_on_head(home, ("aB3dE", "localhost"))
    asyncio.run(catch_up(entry, Head(cluster(home), LocalTransport())))
    on_machine(home)
    entry.trials_directory.write_text("a file in the place of the folder")
    (error,) = pull(home, entry)
    assert f"could not be kept in {entry.trials_directory}" in str(error)


def finish_own(
    home: Path, entry: ExperimentEntry, monkeypatch: pytest.MonkeyPatch, dashboard_port: int = 2
) -> tuple[bool, list[str]]:
    """Finish an experiment that brought its cluster up; tell whether that was taken down, and what was reported."""
    ended = []

    async def end_cluster(*_: object) -> None:
        ended.append(True)

    monkeypatch.setattr(run, "end_cluster", end_cluster)
    state = replace(cluster(home), dashboard_port=dashboard_port)
    running = run.RunningExperiment(entry, ClusterAccess(state, None), own=True)
    reported: list[str] = []
    asyncio.run(run.finish_experiment(running, lambda host, what: reported.append(what), stop=False))
    return bool(ended), reported


@pytest.mark.parametrize(("other", "taken_down"), [("RUNNING", False), ("DONE", True), (None, True)])
def test_a_cluster_of_an_experiments_own_stays_up_while_another_one_runs_on_it(
    home: Path,
    entry: ExperimentEntry,
    monkeypatch: pytest.MonkeyPatch,
    other: ExperimentStatus | None,
    taken_down: bool,
) -> None:
    entry.save()
    record_on_head(home, ("aB3dE", "localhost"))
    if other is not None:
        experiment_entry(entry.mirror.parent / "other", experiment_id="other123").save()
        with new_records(home / ".ray-nni" / "experiments" / "other123" / "records.sqlite") as store:
            store.set_driver()
            store.set_status(other)
    ended, reported = finish_own(home, entry, monkeypatch)
    assert ended is taken_down
    assert any("other123" in what for what in reported) is not taken_down


@pytest.mark.parametrize(("job", "taken_down"), [("PENDING", False), ("RUNNING", False), ("FAILED", True)])
def test_a_cluster_of_an_experiments_own_stays_up_while_the_code_of_another_one_arrives(
    home: Path, entry: ExperimentEntry, monkeypatch: pytest.MonkeyPatch, job: str, taken_down: bool
) -> None:
    class Jobs(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert self.path == "/api/jobs/job-2"
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"status": job}).encode())

    entry.save()
    record_on_head(home, ("aB3dE", "localhost"))
    experiment_entry(entry.mirror.parent / "other", experiment_id="other123", job="job-2").save()
    with ThreadingHTTPServer(("127.0.0.1", 0), Jobs) as ray_dashboard:
        threading.Thread(target=ray_dashboard.serve_forever, args=(0.01,), daemon=True).start()
        ended, reported = finish_own(home, entry, monkeypatch, ray_dashboard.server_port)
        ray_dashboard.shutdown()
    assert ended is taken_down
    assert any("other123" in what for what in reported) is not taken_down
