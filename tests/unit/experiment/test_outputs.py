"""The output of ended trials: what a machine sends of it, and how it is kept here."""

from __future__ import annotations

import asyncio
import io
import json
import os
import tarfile
from pathlib import Path

import pytest
from this_machine import cluster, on_machine, record_on_head

from ray_remote_nni.cluster.local import LocalTransport
from ray_remote_nni.cluster.state import MachineState
from ray_remote_nni.cluster.transport import Transport
from ray_remote_nni.errors import MachineError
from ray_remote_nni.experiment import collect
from ray_remote_nni.experiment.collect import ARCHIVE_MARK
from ray_remote_nni.experiment.head import Head
from ray_remote_nni.experiment.mirror import _unpack, catch_up, pull_outputs
from ray_remote_nni.experiment.registry import ExperimentEntry


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


def test_what_an_own_tuner_said_is_brought_here_from_the_head(home: Path, entry: ExperimentEntry) -> None:
    record_on_head(home, config={"tuner": {"className": "my.Tuner"}, "assessor": {"className": "my.Assessor"}})
    asyncio.run(catch_up(entry, Head(cluster(home), LocalTransport())))
    log = home / ".ray-nni/experiments/exp12345/log"
    log.mkdir()
    for said in (b"said", b"said, and more\xff"):
        (log / "tuner.log").write_bytes(said)
        # The assessor never came into being.
        assert pull(home, entry) == []
        assert files(entry.log_directory) == {"tuner.log": said}
    (error,) = {str(error) for error in pull(home, entry, "off")}
    assert "it is off" in error


def test_a_machine_that_is_off_costs_only_its_own_trials_output(home: Path, entry: ExperimentEntry) -> None:
    record_on_head(home, ("aB3dE", "localhost"), ("bbbbb", "off"))
    asyncio.run(catch_up(entry, Head(cluster(home), LocalTransport())))
    on_machine(home)
    (error,) = pull(home, entry, "localhost", "off")
    assert error.machine == "off"
    assert [folder.name for folder in entry.trials_directory.iterdir()] == ["aB3dE"]


def test_without_a_mirror_nothing_is_missing(home: Path, entry: ExperimentEntry) -> None:
    assert pull(home, entry) == []


def test_output_that_cannot_be_kept_here_is_told_and_stops_nothing_else(home: Path, entry: ExperimentEntry) -> None:
    record_on_head(home, ("aB3dE", "localhost"))
    asyncio.run(catch_up(entry, Head(cluster(home), LocalTransport())))
    on_machine(home)
    entry.trials_directory.write_text("a file in the place of the folder")
    (error,) = pull(home, entry)
    assert f"could not be kept in {entry.trials_directory}" in str(error)
