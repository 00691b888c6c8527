"""What somebody means who types what nnictl understands: which of our commands does that, as a hint."""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Mapping, Sequence

# nnictl's words -> ours. ID is an experiment's, if one was typed, and CONFIG, FILE, TYPE, N and TRIAL are what nnictl
# has as options.
_COMMANDS: Mapping[tuple[str, ...], str] = {
    ("create",): "run CONFIG --detach",
    ("view",): "show ID",
    ("top",): "status",
    ("log", "trial"): "logs TRIAL",
    ("log", "stdout"): "show ID",
    ("log", "stderr"): "show ID",
    ("webui", "url"): "dashboard",
    ("config", "show"): "show ID",
    ("trial", "ls"): "trials ID",
    ("trial", "kill"): "kill TRIAL",
    ("experiment", "list"): "status",
    ("experiment", "show"): "show ID",
    ("experiment", "status"): "show ID",
    ("experiment", "delete"): "delete EXPERIMENT",
    ("experiment", "export"): "export ID -t TYPE -f FILE",
    ("experiment", "import"): "import ID -f FILE",
    ("update", "searchspace"): "update ID --search-space FILE",
    ("update", "concurrency"): "update ID --concurrency N",
    ("update", "duration"): "update ID --duration N",
    ("update", "trialnum"): "update ID --max-trials N",
}
# Where nothing is to be typed.
_INSTEAD: Mapping[str, str] = {
    "tensorboard": "There is nothing of the kind yet",
    "algo": "Name the codeDirectory and className of a tuner of your own in the config",
    "package": "Name the codeDirectory and className of a tuner of your own in the config",
    "ss_gen": "ray-nni check prints the search space that annotations mean",
    **dict.fromkeys(("experiment", "trial", "log", "webui", "config"), "ray-nni -h lists what there is in its place"),
    "hello": "For an example, see configs/quickstart.yml",
}
_OPTIONS = {
    "CONFIG": ("--config", "-c"),
    "FILE": ("--filename", "-f"),
    "TYPE": ("--type", "-t"),
    "N": ("--value", "-v"),
    "TRIAL": ("--trial_id", "-T"),
}
_CONFIG_COMMANDS = ("run", "up", "check", "down")
_ONE = "stop ends one experiment: name it, as ray-nni status lists it. ray-nni down ends all of a cluster"
_WEB = "There is no web server of NNI's to give a port: leave it out. ray-nni dashboard has the address of Ray's"
# What nnictl takes, and our command of the same name does not.
_NO_OPTIONS: Mapping[tuple[str, str], str] = {
    **{("stop", option): _ONE for option in ("--all", "-a", "all")},
    **{(command, option): _WEB for command in ("run", "resume", "stop") for option in ("--port", "-p")},
    **{
        (command, option): f"Leave it out: {command} shows the experiment until it ends, unless you add --detach"
        for command in ("run", "resume")
        for option in ("--foreground", "-f")
    },
}


def hint_for(words: Sequence[str]) -> str | None:
    """Say what to type in place of a command line that is nnictl's; None for one that is not."""
    command = words[0] if words else ""
    if command in _CONFIG_COMMANDS and (config := _value(words, "CONFIG")) is not None:
        return f"{command} takes the file itself. Type: ray-nni {command} {shlex.quote(config)}"
    for length in (1, 2):
        ours = _COMMANDS.get(tuple(words[:length]))
        if ours is not None and (command != "update" or _value(words, "FILE") or _value(words, "N")):
            typed = " ".join(words[:length])
            return f"{typed} is a command of nnictl. Type: ray-nni {_filled(ours, words[length:])}"
    if command in _INSTEAD:
        return f"{command} is a command of nnictl. {_INSTEAD[command]}."
    refused = [_NO_OPTIONS[command, word] for word in words[1:] if (command, word) in _NO_OPTIONS]
    return f"{refused[0]}." if refused else None


def _filled(ours: str, rest: Sequence[str]) -> str:
    """Our words with what was typed behind nnictl's."""
    experiment = [rest[0]] if rest and not rest[0].startswith("-") else []
    filled: list[str] = []
    for word in ours.split():
        if word == "ID" or (word == "EXPERIMENT" and experiment):
            filled += experiment
        else:
            filled.append((_value(rest, word) if word in _OPTIONS else None) or word)
    if "TRIAL" in ours and experiment:
        filled += ["--experiment", *experiment]
    return shlex.join(filled)


def _value(words: Sequence[str], name: str) -> str | None:
    """The value of an option, written behind it or behind its `=`."""
    for word, after in itertools.zip_longest(words, words[1:]):
        option, equals, value = word.partition("=")
        if option in _OPTIONS[name]:
            return value if equals else after
    return None
