"""Nodes started and stopped for real, with something small in the place of Ray; and who is never touched."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from machine_values import cluster_state, machine_state
from running_guard import until

import ray_remote_nni
from ray_remote_nni.cluster.local import LocalTransport
from ray_remote_nni.cluster.node import node_runs, start_node, stop_node
from ray_remote_nni.cluster.plan import NodePlan, by_link
from ray_remote_nni.cluster.remote.start_node import NODE_MARK
from ray_remote_nni.cluster.remote.stop_node import _left
from ray_remote_nni.cluster.state import MachineState, load_state
from ray_remote_nni.cluster.teardown import take_down
from ray_remote_nni.errors import ClusterError, MachineError
from ray_remote_nni.guard.ownership import TREE_MARK
from ray_remote_nni.guard.processes import command_of, environment_of

LIBRARY = str(Path(ray_remote_nni.__file__).parents[1])
TOKEN = "the-secret-token"
#: `ray start` leaves daemons behind that go by these names, and returns.
FAKE_RAY = """\
cp "$(command -v sleep)" raylet
env >environment
(exec ./raylet 600) &
(env -i setsid sleep 600) &
exit 0
"""


@pytest.fixture
def node(home: Path, tmp_path: Path) -> Iterator[NodePlan]:
    """A node that is not started; whatever the test leaves running of it ends with the test."""
    plan = make_node(home, tmp_path, FAKE_RAY)
    yield plan
    if Path(plan.directory).exists():
        stop(plan)


def make_node(home: Path, tmp_path: Path, fake_ray: str) -> NodePlan:
    python = tmp_path / "python"
    real = f'exec {shlex.quote(sys.executable)} "$@"'
    python.write_text(f'#!/bin/sh\ncase "$*" in *ray.scripts.scripts*) ;; *) {real};; esac\n{fake_ray}')
    python.chmod(0o755)
    directory = home / ".ray-nni" / "clusters" / "abc123" / "0"
    return NodePlan(
        index=0,
        host="localhost",
        address="127.0.0.1",
        python=str(python),
        directory=str(directory),
        temp_dir=str(directory),
        # As a plan chooses it where a socket's path would be too long: this test's folders are, in some sessions.
        guard_socket=f"{tempfile.gettempdir()}/guard-{secrets.token_hex(6)}.sock",
        gpus=(),
        ray_arguments=("--head",),
        environment={"RAY_AUTH_MODE": "token", "RAY_NNI_PYTHON_PATH": None, "TMPDIR": f"{directory}/tmp"},
        ray_python=str(python),
    )


def start(node: NodePlan) -> None:
    asyncio.run(start_node(LocalTransport(), node, LIBRARY, {"token": TOKEN}))


def stop(node: NodePlan) -> list[str]:
    return asyncio.run(stop_node(LocalTransport(), sys.executable, LIBRARY, node.directory, node.temp_dir))


def runs(node: NodePlan) -> bool:
    return asyncio.run(node_runs(LocalTransport(), node.directory))


def processes_of(node: NodePlan) -> set[int]:
    """All processes that bear the node's mark."""
    pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    return {pid for pid in pids if environment_of(pid).get(NODE_MARK) == node.directory}


@contextmanager
def a_session(script: str, **environment: str) -> Iterator[tuple[int, list[int]]]:
    """Run a script in a session of its own, as a terminal is; yield its PID and those that the script prints."""
    process = subprocess.Popen(
        ["sh", "-c", f"{script}\necho\nwait"],
        start_new_session=True,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    assert process.stdout is not None
    try:
        yield process.pid, [int(pid) for pid in iter(lambda: process.stdout.readline().strip(), "")]
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()


# Start


def test_a_started_node_runs_until_it_is_stopped(node: NodePlan) -> None:
    assert not runs(node)
    start(node)
    assert runs(node)
    assert stop(node) == []
    assert not runs(node)


def test_a_stopped_node_leaves_no_process_and_no_folder(node: NodePlan, home: Path) -> None:
    start(node)
    assert processes_of(node)
    stop(node)
    assert not processes_of(node)
    assert list((home / ".ray-nni" / "clusters").iterdir()) == []


def test_the_token_is_in_a_file_of_its_owner_and_in_no_list_of_processes(node: NodePlan) -> None:
    start(node)
    file = Path(node.directory) / "token"
    assert (file.read_text(), file.stat().st_mode & 0o777) == (TOKEN, 0o600)
    lines = subprocess.run(["ps", "axeww"], capture_output=True, text=True).stdout
    assert TOKEN not in lines


def test_ray_gets_the_plans_environment_and_nothing_of_another_rays(
    node: NodePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    monkeypatch.setenv("SSH_CLIENT", "192.0.2.9 50000 22")
    start(node)
    lines = (Path(node.directory) / "environment").read_text().splitlines()
    names = {line.split("=")[0] for line in lines}
    assert "RAY_AUTH_MODE=token" in lines
    assert f"{NODE_MARK}={node.directory}" in lines
    assert not names & {"RAY_ADDRESS", "SSH_CLIENT", "RAY_NNI_PYTHON_PATH"}


def test_what_changes_how_python_starts_reaches_trials_and_not_ray(
    node: NodePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONHOME", "/usr")
    monkeypatch.setenv("PYTHONNOUSERSITE", "1")
    node = replace(node, environment={**node.environment, "PYTHONPATH": "/lib"})
    start(node)
    lines = (Path(node.directory) / "environment").read_text().splitlines()
    assert [line for line in lines if line.startswith("PYTHON")] == ["PYTHONPATH=/lib"]
    guard = json.loads((Path(node.directory) / "guard.json").read_text())["pid"]
    assert environment_of(guard)["PYTHONHOME"] == "/usr"


def test_the_nodes_folders_are_their_owners_alone(node: NodePlan, home: Path) -> None:
    before = os.umask(0)
    try:
        start(node)
    finally:
        os.umask(before)
    for folder in (home / ".ray-nni", Path(node.directory), Path(node.directory) / "tmp"):
        assert folder.stat().st_mode & 0o777 == 0o700, folder


def test_a_folder_outside_the_home_stays_its_owners_alone_whatever_ray_makes_of_its_own(
    node: NodePlan, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    environment = {**node.environment, "TMPDIR": str(outside / "tmp")}
    node = replace(node, temp_dir=str(outside), guard_socket=str(outside / "guard.sock"), environment=environment)
    start(node)
    for folder in (outside, outside / "tmp"):
        assert folder.stat().st_mode & 0o777 == 0o700
    assert stop(node) == []
    assert not outside.exists()


def test_ray_starts_by_a_link_where_the_path_of_its_python_needs_quotes(node: NodePlan, tmp_path: Path) -> None:
    outside, python = tmp_path / "outside", tmp_path / "my env" / "bin" / "python"
    python.parent.mkdir(parents=True)
    Path(node.python).rename(python)
    python.write_text(python.read_text().replace("env >environment", 'echo "$0" >started; env >environment'))
    path, link = by_link(str(python), f"{outside}/python")
    start(replace(node, python=str(python), temp_dir=str(outside), ray_python=path, python_link=link))
    assert (Path(node.directory) / "started").read_text() == f"{outside}/python/bin/python\n"
    stop(replace(node, temp_dir=str(outside)))
    assert python.exists()
    assert not outside.exists()


def test_a_folder_outside_the_home_that_cannot_be_made_is_told_with_a_remedy(node: NodePlan, tmp_path: Path) -> None:
    with pytest.raises(MachineError, match=r"cannot be made there \(No such file or directory\); make .* writable"):
        start(replace(node, temp_dir=str(tmp_path / "no/outside")))


@pytest.mark.parametrize("kind", ["link", "file"])
def test_what_somebody_put_in_the_place_of_a_folder_outside_the_home_is_not_used(
    node: NodePlan, tmp_path: Path, kind: str
) -> None:
    outside, victim = tmp_path / "outside", tmp_path / "victim"
    victim.mkdir()
    victim.chmod(0o755)
    if kind == "link":
        outside.symlink_to(victim)
    else:
        outside.touch()
    with pytest.raises(MachineError, match="belongs to somebody else"):
        start(replace(node, temp_dir=str(outside), guard_socket=str(outside / "guard.sock")))
    assert victim.stat().st_mode & 0o777 == 0o755


def test_a_ray_that_does_not_start_is_told_by_its_last_words(home: Path, tmp_path: Path) -> None:
    node = make_node(home, tmp_path, "echo starting; echo 'ValueError: port 20001 is taken'; echo bye; exit 1\n")
    with pytest.raises(MachineError, match=r"its Ray did not start\. Its last words: ValueError: port 20001 is taken"):
        start(node)
    stop(node)
    assert not processes_of(node)


# Stop: this node's processes, and no other


def test_a_guard_that_cannot_leave_word_of_itself_is_told_with_the_cause(node: NodePlan) -> None:
    (Path(node.directory) / "guard.json.part").mkdir(parents=True)
    with pytest.raises(MachineError, match=r"its guard did not start: .* cannot be written to \(Is a directory\)"):
        start(node)


def test_stopping_what_was_never_started_is_no_error(node: NodePlan) -> None:
    assert stop(node) == []


def test_what_a_guard_lost_is_swept_up_also_where_it_wiped_its_environment(node: NodePlan) -> None:
    marks = {NODE_MARK: node.directory, TREE_MARK: "daemons"}
    with a_session("sleep 600 & echo $!; env -i sleep 601 & echo $!", **marks) as (_, lost):
        assert {"sleep 600", "sleep 601"} <= set(stop(node))
        until(lambda: not any(command_of(pid) for pid in lost))


def test_another_nodes_processes_are_not_swept_up(node: NodePlan) -> None:
    with a_session("sleep 600 & echo $!", **{NODE_MARK: f"{node.directory}1"}) as (_, (other,)):
        stop(node)
        assert Path(f"/proc/{other}").exists()


def test_a_process_that_only_names_the_nodes_folder_is_not_swept_up(node: NodePlan) -> None:
    with a_session(f"sh -c 'sleep 600; true' {node.directory} & echo $!") as (_, (editor,)):
        stop(node)
        assert Path(f"/proc/{editor}").exists()


def test_a_client_that_forgot_its_feed_on_the_head_is_cleaned_up_after(node: NodePlan) -> None:
    with a_session(f"{NODE_MARK}={node.directory} sleep 600 & echo $!") as (_, (feed,)):
        assert "sleep 600" in stop(node)
        until(lambda: command_of(feed) == "")


# Down


def take_down_two(node: NodePlan, home: Path, *, force: bool = False) -> list[tuple[str, str]]:
    """Take a cluster down whose second machine is off; return what was reported."""
    one = machine_state(
        "localhost", home=str(home), python=sys.executable, directory=node.directory, temp_dir=node.temp_dir
    )
    state = cluster_state(platform="local", machines=(one, machine_state("192.0.2.2", index=1)))
    state.save()
    reported: list[tuple[str, str]] = []

    async def connect(machine: MachineState) -> LocalTransport:
        if machine.host != "localhost":
            raise MachineError(machine.host, "it is off.")
        return LocalTransport()

    async def down() -> None:
        await take_down(state, connect, lambda host, what: reported.append((host, what)), force=force)

    asyncio.run(down())
    return reported


def test_a_machine_that_is_off_does_not_keep_the_others_from_being_stopped(node: NodePlan, home: Path) -> None:
    start(node)
    with pytest.raises(ClusterError, match=r"192\.0\.2\.2: it is off\."):
        take_down_two(node, home)
    assert not runs(node)


def test_what_to_do_about_a_machine_that_is_off_is_said_and_that_the_others_are_stopped(
    node: NodePlan, home: Path
) -> None:
    with pytest.raises(ClusterError) as caught:
        take_down_two(node, home)
    assert str(caught.value).splitlines()[1:] == [
        "All other machines are stopped. Once that is mended: ray-nni down. To forget what may still run there: "
        "ray-nni down --force"
    ]
    # With another cluster that is up, `down` alone would mean that one.
    cluster_state(name="other1", created=2000.0).save()
    with pytest.raises(ClusterError, match="ray-nni down abc123 --force"):
        take_down_two(node, home)


def test_a_cluster_that_is_not_wholly_down_can_be_taken_down_again(node: NodePlan, home: Path) -> None:
    with pytest.raises(ClusterError):
        take_down_two(node, home)
    state = load_state("abc123")
    assert state is not None
    assert state.status == "stopping"


def test_with_force_a_cluster_is_forgotten_whatever_is_off(node: NodePlan, home: Path) -> None:
    reported = take_down_two(node, home, force=True)
    assert load_state("abc123") is None
    assert ("192.0.2.2", "it is off.") in reported
    assert ("localhost", "stopped") in reported


def test_the_terminal_of_a_client_that_watches_is_not_swept_up(node: NodePlan) -> None:
    # `ray-nni run` on the local platform: its feed bears the node's mark, and shares the session of the user's shell.
    script = f"sleep 600 & echo $!; {NODE_MARK}={node.directory} sleep 600 & echo $!"
    with a_session(script) as (_, (editor, feed)):
        # It bears the mark once the shell's child has become it.
        until(lambda: environment_of(feed).get(NODE_MARK) == node.directory)
        assert _left(Path(node.directory)) == {feed}
        assert editor != feed
