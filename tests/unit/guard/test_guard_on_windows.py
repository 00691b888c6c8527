"""The guard of Windows, as far as another system can tell: its lines, its structures, its word of where it listens.

With job objects it was tried in wine; see CONTRIBUTING.md.
"""

from __future__ import annotations

import asyncio
import base64
import ctypes
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ray_remote_nni.guard.settings import Settings
from ray_remote_nni.guard.windows import job, processes, start
from ray_remote_nni.guard.windows.address import Address, connect
from ray_remote_nni.guard.windows.path import windows_path_folders
from ray_remote_nni.guard.windows.server import Guard, command_line


def settings(directory: Path) -> Settings:
    return Settings(directory, directory / "guard.sock", [], {}, frozenset({"raylet"}), {"GREETING": "hello"})


@given(command=st.text(alphabet="ab\"'\\ %&|<>^()!", min_size=1, max_size=20))
def test_what_cmd_shall_run_is_handed_over_as_it_is(command: str) -> None:
    line = command_line([r"C:\Windows\System32\cmd.exe", "/d", "/s", "/c", command])
    # With /s cmd takes off the first and the last quote of what follows /c, and no others.
    assert line == rf'C:\Windows\System32\cmd.exe /d /s /c "{command}"'


def test_other_programs_get_their_arguments_by_microsofts_rules() -> None:
    assert command_line(["ray.exe", "--x=a b", 'say "hi"']) == r'ray.exe "--x=a b" "say \"hi\""'


def test_structures_are_as_long_as_windows_has_them() -> None:
    # As sizeof of Microsoft's headers is on x64.
    assert ctypes.sizeof(job._Limits) == 144
    assert job._Limits.flags.offset == 16
    assert ctypes.sizeof(job._Accounting) == 48
    assert job._Accounting.active.offset == 40
    assert job._ProcessIds.pids.offset == 8


def test_a_guard_is_reached_by_the_word_that_it_left(tmp_path: Path) -> None:
    async def talk() -> bytes:
        guard = Guard(settings(tmp_path), lambda code: None)
        server = await asyncio.start_server(guard._serve, "127.0.0.1", 0)
        Address(server.sockets[0].getsockname()[1], guard._secret).write(tmp_path / "guard.sock")
        connection = await asyncio.to_thread(connect, tmp_path / "guard.sock", 5.0)
        with connection:
            said = await asyncio.to_thread(connection.recv, 1000)
        server.close()
        return said

    assert asyncio.run(talk()) == b'{"environment": {"GREETING": "hello"}}\n'


@pytest.mark.parametrize("said", [b'{"secret": "wrong", "end": true}\n', b"GET / HTTP/1.1\r\n", b"[]\n", b"\n", b"7\n"])
def test_whoever_does_not_know_the_word_is_told_nothing_and_ends_nothing(tmp_path: Path, said: bytes) -> None:
    async def talk() -> tuple[bytes, bool]:
        guard = Guard(settings(tmp_path), lambda code: None)
        server = await asyncio.start_server(guard._serve, "127.0.0.1", 0)

        def ask() -> bytes:
            with socket.create_connection(server.sockets[0].getsockname()) as connection:
                connection.sendall(said)
                return connection.recv(1000)

        answer = await asyncio.to_thread(ask)
        server.close()
        return answer, guard._stopping.is_set()

    assert asyncio.run(talk()) == (b"", False)


def test_a_guard_ends_when_it_is_told_to(tmp_path: Path) -> None:
    async def talk() -> None:
        guard = Guard(settings(tmp_path), lambda code: None)
        server = await asyncio.start_server(guard._serve, "127.0.0.1", 0)
        Address(server.sockets[0].getsockname()[1], guard._secret).write(tmp_path / "guard.sock")
        (await asyncio.to_thread(connect, tmp_path / "guard.sock", 5.0, end=True)).close()
        await asyncio.wait_for(guard._stopping.wait(), 5)
        server.close()

    asyncio.run(talk())


def test_wmi_is_given_the_command_line_as_text() -> None:
    script = start.wmi_script([r"C:\it's\python.exe", "-c", "print('a b')"], "C:/Users/o'hara’s/0")
    text = base64.b64decode(script).decode("utf-16-le")
    assert r"""CommandLine = 'C:\it''s\python.exe -c "print(''a b'')"'""" in text
    assert "CurrentDirectory = 'C:/Users/o''hara’’s/0'" in text


def test_what_a_guard_reports_is_passed_on_until_its_daemons_run(tmp_path: Path) -> None:
    file = tmp_path / "report.jsonl"
    lines = start._reported(file, lambda: True)
    file.write_text('{"pid": 7, "start_ticks": 1}\n{"daem')
    assert next(lines) == '{"pid": 7, "start_ticks": 1}'
    file.write_text('{"pid": 7, "start_ticks": 1}\n{"daemons": 0}\n')
    assert list(lines) == ['{"daemons": 0}']


def test_a_guard_that_ends_early_is_waited_for_no_longer(tmp_path: Path) -> None:
    assert list(start._reported(tmp_path / "report.jsonl", lambda: False)) == []


def test_the_folders_of_a_python_are_those_that_conda_activates() -> None:
    assert windows_path_folders("C:/Users/alice/miniconda3/envs/a") == [
        r"C:\Users\alice\miniconda3\envs\a",
        r"C:\Users\alice\miniconda3\envs\a\Library\mingw-w64\bin",
        r"C:\Users\alice\miniconda3\envs\a\Library\usr\bin",
        r"C:\Users\alice\miniconda3\envs\a\Library\bin",
        r"C:\Users\alice\miniconda3\envs\a\Scripts",
        r"C:\Users\alice\miniconda3\envs\a\bin",
    ]


def test_a_process_entry_begins_as_windows_has_it() -> None:
    assert processes._Entry.pid.offset == 8
    assert processes._Entry.parent.offset == 32
    assert processes._Entry.name.offset == 44
