"""NNI's calls to an advisor, a class of MsgDispatcherBase, and what it sends in reply.

Its own threads and its connection to NNI's manager are left out: what NNI's `run` would take from the connection is
handed to `process_command`, one thing at a time, and what is sent is kept here. Source: NNI 1.0 to 3.0,
msg_dispatcher_base, protocol (up to 2.7), tuner_command_channel (from 2.8 on), and ts/nni_manager/core/nnimanager.ts.

`worker.py` imports it, under a name that no module of a user's has. Runs on Python 3.6 and later.
"""

import json
import os
import sys
from collections import deque
from importlib import import_module
from importlib.machinery import ModuleSpec

_BASE = "nni.runtime.msg_dispatcher_base"
_OLD_BASE = "nni.msg_dispatcher_base"
_OLD_PROTOCOLS = ("nni.protocol", "nni.runtime.protocol")
_OLD_NAMES = (_OLD_BASE, *_OLD_PROTOCOLS)


def prepare():
    """Have classes found whose imports are another version's; to be called before any of `nni` is imported."""
    sys.meta_path.append(_OldNames())
    # The base class takes it for an address; nobody connects to it.
    os.environ.setdefault("NNI_TUNER_COMMAND_CHANNEL", "ws://_unittest_ray_nni")


def base_of(algorithm):
    """Return the module of NNI's base class of advisors, None where the class `algorithm` is none of those."""
    for base in getattr(algorithm, "__mro__", ()):
        if base.__name__ == "MsgDispatcherBase" and base.__module__ in (_BASE, _OLD_BASE):
            return sys.modules[base.__module__]
    return None


class AdvisorHost:
    """An advisor, which is asked and told as a tuner is, and of intermediate results too.

    A trial is asked for when one can run, and not again before it has come, unless another place has become free.
    """

    def __init__(self, code, base, make, search_space, resumed):
        self.code = code
        self._base = base
        self._sent_trials = deque()
        self._sent_kills = deque()
        self._owed = 0
        self._freed = 0
        self._contents = {}
        _connect(base, self._sent)
        # NNI 2.10 and 3.0 ask whether an id is at most another one, and die of ids that are texts, as its Hyperband's.
        base.MsgDispatcherBase.is_created_in_previous_exp = lambda advisor, id: id in advisor.recovered_trial_params
        self._advisor = make()
        if resumed:
            self._advisor.load_checkpoint()
        self._tell("Initialize", search_space)

    def generate(self, ids):
        if not self._sent_trials:
            wanted = self._freed if self._owed else 1
            self._freed = 0
            if wanted:
                self._owed += wanted
                self._tell("RequestTrialJobs", wanted)
        made = []
        for id in ids:
            if self._sent_trials:
                self._contents[id] = content = self._sent_trials.popleft()
                made.append(json.loads(content)["parameters"])
        return made

    def report(self, id, kind, sequence, value, trial_id):
        metric = {
            "parameter_id": json.loads(self._contents[id])["parameter_id"],
            "trial_job_id": trial_id,
            "type": kind,
            "sequence": sequence,
            "value": _MetricText(value),
        }
        self._tell("ReportMetricData", metric)

    def end(self, id, status, trial_id):
        self._freed += 1
        content = self._contents.pop(id)
        self._tell("TrialEnd", {"trial_job_id": trial_id, "event": status, "hyper_params": content})

    def learn(self, data):
        # NNI would end with the exception that the base class raises.
        if type(self._advisor).handle_import_data is not self._base.MsgDispatcherBase.handle_import_data:
            self._tell("ImportData", [dict(entry, value=_MetricText(entry["value"])) for entry in data])

    def update(self, search_space):
        self._tell("UpdateSearchSpace", search_space)

    def news(self):
        """Return the ids of the trials that are to be ended, and whether it has sent trials that nobody has taken."""
        kills = [self._sent_kills.popleft() for _ in range(len(self._sent_kills))]
        return {"kills": kills, "at_hand": bool(self._sent_trials)}

    def leave(self):
        """Do nothing: an advisor is not told of the end."""

    def _tell(self, name, data):
        self._advisor.process_command(self._base.CommandType[name], data)

    def _sent(self, code, content):
        """Take what the advisor sends, from any thread. That it has no trials now is seen when it is asked."""
        if code == "TR":
            self._sent_trials.append(content)
            self._owed = max(0, self._owed - 1)
        elif code == "KI":
            self._sent_kills.append(json.loads(content))
        elif code == "ER":
            raise RuntimeError(content)


class _MetricText(str):
    """A metric as NNI 1.5 and later hand it to an advisor, JSON in a string.

    It compares to numbers as the number that it holds: up to NNI 1.4 it was that, as NNI's own example still has it.
    """

    def __new__(cls, metric):
        self = super().__new__(cls, json.dumps(metric))
        self._metric = metric
        return self

    def __lt__(self, other):
        return super().__lt__(other) if isinstance(other, str) else self._metric < other

    def __le__(self, other):
        return super().__le__(other) if isinstance(other, str) else self._metric <= other

    def __gt__(self, other):
        return super().__gt__(other) if isinstance(other, str) else self._metric > other

    def __ge__(self, other):
        return super().__ge__(other) if isinstance(other, str) else self._metric >= other


def _connect(base, sent):
    """Have `sent(code, content)` called with whatever classes on NNI's module `base` send, in every version's way."""

    class Channel:
        def __init__(self, url=None):
            pass

        def connect(self):
            pass

        def disconnect(self):
            pass

        def _send(self, command, data):
            sent(_code(command), data)

    class OutFile:
        def write(self, message):
            # A code of two letters, the length in 6 or 14 digits, and that many bytes.
            for start in (8, 16):
                length = message[2:start].strip()
                if length.isdigit() and int(length) == len(message) - start:
                    sent(message[:2].decode(), message[start:].decode("utf-8"))
                    return
            raise ValueError("not a message of NNI's: {!r}".format(message))

        def flush(self):
            pass

    if hasattr(base, "TunerCommandChannel"):
        base.TunerCommandChannel = Channel
    for name in _OLD_PROTOCOLS:
        protocol = sys.modules.get(name)
        if protocol is None:
            continue
        if hasattr(protocol, "ray_nni_sent"):
            protocol.ray_nni_sent = sent
        else:
            protocol._out_file = OutFile()


def _code(command):
    value = command.value
    return value.decode() if isinstance(value, bytes) else value


class _OldNames:
    """The last finder: provides the modules in which NNI 1.x and 2.x had what an advisor imports.

    And json_tricks, which comes with NNI, and which advisors write what they send with.
    """

    def find_spec(self, name, path=None, target=None):
        return ModuleSpec(name, self) if name in _OLD_NAMES or name == "json_tricks" else None

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        if module.__name__ == "json_tricks":
            nni = import_module("nni")
            module.dumps, module.loads = nni.dump, nni.load
            return
        base = import_module(_BASE)
        module.MsgDispatcherBase = base.MsgDispatcherBase
        module.CommandType = base.CommandType
        module.ray_nni_sent = None
        module.send = lambda command, data: module.ray_nni_sent(_code(command), data)
