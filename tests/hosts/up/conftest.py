"""A cluster that is up for all the tests of a file, two machines of it, and experiments for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import machines as m
import pytest
from client import Client
from trial_script import TRIAL

#: Four GPUs; the machine's first process, a stranger's, is on GPU N while there is a file stranger-N.
NVIDIA_SMI = """\
#!/bin/sh
case "$*" in
"-q -x")
    echo "<nvidia_smi_log>"
    for gpu in 0 1 2 3; do
        echo "<gpu><processes>"
        [ -e "$HOME/stranger-$gpu" ] && echo "<process_info><pid>1</pid></process_info>"
        echo "</processes></gpu>"
    done
    echo "</nvidia_smi_log>" ;;
*) seq 0 3 ;;
esac
"""


@pytest.fixture(scope="module")
def client(
    machines: list[m.TestMachine], trial_pythons: list[Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Client]:
    """A client with a cluster of two machines, the second of which has two of four (simulated) GPUs to offer."""
    before = [machine.processes() for machine in machines]
    client = Client(m.make_client_home(tmp_path_factory.mktemp("home"), machines))
    machines[2].run(f"mkdir -p bin; cat > bin/nvidia-smi <<'END'\n{NVIDIA_SMI}END\nchmod +x bin/nvidia-smi")
    machines[2].run("printf 'PATH=$HOME/bin:$PATH\\n' > .bashrc")
    client.run("up", write_experiment(client, machines, trial_pythons))
    yield client
    client.run("down")
    machines[2].run("rm -rf bin .bashrc stranger-*")
    assert [machine.processes() for machine in machines] == before


def write_experiment(
    client: Client, machines: list[m.TestMachine], pythons: list[Path], script: str = TRIAL, **fields: Any
) -> Path:
    entries = [
        machines[0].entry(pythonPath=str(pythons[0])),
        machines[2].entry(pythonPath=str(pythons[0]), gpuIndices="1,3"),
    ]
    return client.write_experiment(entries, script, **fields)


@pytest.fixture
def experiment(client: Client, machines: list[m.TestMachine], trial_pythons: list[Path]) -> Any:
    def write(script: str = TRIAL, **fields: Any) -> Path:
        return write_experiment(client, machines, trial_pythons, script, **fields)

    return write
