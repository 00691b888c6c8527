"""The commands that NNI's manager and an advisor send each other."""

from enum import Enum


class CommandType(Enum):
    """The commands, by their codes; from the last six on it is the advisor that sends them."""

    Initialize = "IN"
    RequestTrialJobs = "GE"
    ReportMetricData = "ME"
    UpdateSearchSpace = "SS"
    ImportData = "FD"
    AddCustomizedTrialJob = "AD"
    TrialEnd = "EN"
    Terminate = "TE"
    Ping = "PI"

    Initialized = "ID"
    NewTrialJob = "TR"
    SendTrialJobParameter = "SP"
    NoMoreTrialJobs = "NO"
    KillTrialJob = "KI"
    Error = "ER"


class TunerCommandChannel:
    """What carries them; whoever runs an advisor puts one that works in its place."""

    def __init__(self, url=None):
        """Start without a connection."""

    def _send(self, command, data):
        raise RuntimeError("there is nobody to send {} to".format(command.name))
