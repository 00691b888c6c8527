"""NNI's file protocol, the trial's side: parameters are read from one file, metrics appended to another.

`$NNI_SYS_DIR/parameter.cfg` is a JSON object with `parameter_id` and `parameters`.
`$NNI_SYS_DIR/.nni/metrics` gets, for each metric, `ME`, the length in bytes of what follows as six digits,
and a line of JSON whose `value` is JSON again, in a string.
"""

import json
import os

_LONGEST = 999999


def read_parameters():
    """Return the record in `parameter.cfg`."""
    with open(os.path.join(os.environ["NNI_SYS_DIR"], "parameter.cfg"), encoding="utf-8") as file:
        return json.load(file)


def append_metric(parameter_id, trial_id, kind, sequence, metric):
    """Append one record to the metrics file.

    Several processes of a trial may do so at once: each record is one write to a file opened for appending,
    which Linux does not mix with another. A record longer than six digits can tell is a ValueError, and
    leaves the file as it was.
    """
    fields = {
        "parameter_id": parameter_id,
        "trial_job_id": trial_id,
        "type": kind,
        "sequence": sequence,
        "value": json.dumps(metric, default=_plain),
    }
    line = json.dumps(fields).encode("ascii") + b"\n"
    if len(line) > _LONGEST:
        raise ValueError(
            "this metric takes {} bytes, and NNI's protocol carries {} at most: report less, or write it to a file "
            "in $NNI_OUTPUT_DIR".format(len(line), _LONGEST)
        )
    _append(b"ME%06d" % len(line) + line)


def _append(record):
    folder = os.path.join(os.environ["NNI_SYS_DIR"], ".nni")
    os.makedirs(folder, exist_ok=True)
    # On Windows a file is text otherwise, and its line breaks are longer than the record says.
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)
    descriptor = os.open(os.path.join(folder, "metrics"), flags, 0o644)
    try:
        while record:
            record = record[os.write(descriptor, record) :]
    finally:
        os.close(descriptor)


def _plain(value):
    """Turn what JSON does not know into what NNI would record: the scalars of numpy and torch are numbers.

    An array is an object with its list, as NNI's serializer (json_tricks) writes it. What else can be a
    number is one, and the rest is told by its text: an odd extra metric is no reason to lose a trial.
    """
    shape = tuple(getattr(value, "shape", ()))
    if shape and hasattr(value, "tolist"):
        return {"__ndarray__": value.tolist(), "dtype": str(getattr(value, "dtype", "")), "shape": shape}
    if not shape and hasattr(value, "item"):
        return value.item()
    try:
        return float(value)
    except (TypeError, ValueError):
        return str(value)
