"""The trial code directory on its way to real machines: whole, once, and each trial's own."""

from __future__ import annotations

import hashlib
import os
import signal
from typing import Any

import machines as m
from client import Client, until


def test_code_arrives_as_it_is_once_and_each_trial_changes_its_own(client: Client, experiment: Any) -> None:
    script = """
        import hashlib, os, nni
        nni.get_next_parameter()
        found = []
        for parent, folders, files in os.walk("."):
            for name in sorted(folders + files):
                path = os.path.join(parent, name)
                link = os.readlink(path) if os.path.islink(path) else ""
                found.append((path, os.lstat(path).st_mode & 0o100, link))
        with open("data/large.bin", "r+b") as file:
            print(sorted(found), hashlib.sha256(file.read()).hexdigest())
            file.seek(0)
            file.write(b"mine")
        assert not os.path.exists("model.pt")
        open("model.pt", "w").close()
        nni.report_final_result(1)
    """
    config = experiment(script, maxTrialNumber=6)
    code = config.parent / "code"
    (code / "data").mkdir()
    (code / "data/Größe ✓.txt").touch()
    (code / "data/large.bin").write_bytes(bytes(12_000_000))
    (code / "run.sh").touch(0o755)
    (code / "link").symlink_to("data/large.bin")
    (code / "dangling").symlink_to("/no/such/file")
    (code / ".nniignore").write_text("*.log\n")
    (code / "old.log").touch()
    (code / "other.yml").write_text("trainingService: {machineList: [{host: a, password: hunter2}]}")

    first = client.run("run", config)
    trials = client.trials()
    printed = client.home.glob("nni-experiments/*/trials/*/stdout")
    ids = {trial["trialId"] for trial in trials}
    outputs = {file.read_text() for file in printed if file.parent.name in ids}
    (code / "trial.py").write_text((code / "trial.py").read_text() + "# changed\n")
    second = client.run("run", config)

    assert {trial["status"] for trial in trials} == {"SUCCEEDED"}
    assert len({trial["machine"] for trial in trials}) == 2
    assert len(outputs) == 1
    (said,) = outputs
    for part in ("'./data/Größe ✓.txt', 0", "'./run.sh', 64", "'/no/such/file'", "'data/large.bin'"):
        assert part in said
    assert hashlib.sha256(bytes(12_000_000)).hexdigest() in said
    assert "old.log" not in said
    assert "other.yml" not in said
    assert "are not sent to the machines: other.yml" in first.stderr
    assert "Sent 3 files of the code, 12 MB" in first.stderr
    assert "Sent" not in second.stderr
    assert {trial["status"] for trial in client.trials()} == {"SUCCEEDED"}


def test_code_goes_on_while_it_arrives_and_a_client_that_dies_meanwhile_leaves_no_experiment(
    client: Client, experiment: Any, machines: list[m.TestMachine]
) -> None:
    script = "import os, nni; nni.get_next_parameter(); nni.report_final_result(os.path.getsize('large.bin'))"
    config = experiment(script, maxTrialNumber=4)
    (config.parent / "code/large.bin").write_bytes(os.urandom(200_000_000))
    experiments = "ls .ray-nni/experiments 2>/dev/null || true"
    before = machines[0].run(experiments)
    # Large files have their digests for names there.
    size = "stat -c %s .ray-nni/code/*.part/[0-9a-f]* 2>/dev/null || true"

    def driver_runs() -> bool:
        return any("experiment.driver" in str(process) for process in machines[0].processes())

    dying = client.start("run", config)
    until(lambda: machines[0].run(size).strip(), poll_s=0.02)
    dying.send_signal(signal.SIGSTOP)
    # However fast the network is, and however slowly a driver starts: the file does not become whole.
    receiving = machines[0].pid_of("experiment.receive_code")
    machines[0].kill(receiving, signal.SIGSTOP)
    dying.send_signal(signal.SIGCONT)
    until(driver_runs)
    until(lambda: machines[2].run(size).strip() == machines[0].run(size).strip())
    dying.kill()
    dying.communicate()
    machines[0].kill(receiving, signal.SIGCONT)
    assert 0 < int(machines[0].run(size)) < 200_000_000
    until(lambda: not driver_runs())
    assert machines[0].run(experiments) == before
    result = client.json("run", config)

    assert result["trials"] == {"SUCCEEDED": 4}
    assert {trial["value"] for trial in client.trials()} == {200_000_000}
    assert {trial["machine"] for trial in client.trials()} == {machines[0].address, machines[2].address}
    assert machines[0].run("ls -d .ray-nni/code/*.part 2>/dev/null || true") == ""
