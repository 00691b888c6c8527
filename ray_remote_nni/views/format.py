"""Numbers, durations and parameters in a few characters, for people."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

_ESCAPE_SEQUENCE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # colours, cursor movements
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?"  # titles, links
    r"|\x1b[ -/]*[0-~]"
)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def place(host: str | None, port: int | None) -> str:
    """Return "gpu1", "gate:10022" or "[fd77::1]:10022"; `port` is None where the host is enough. A dash for None."""
    if host is None or port is None:
        return host or "–"
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def duration(seconds: float | None) -> str:
    """Return "0.04 s", "4.2 s", "42 s", "12 min 04 s", "1 h 03 min" or "2 d 05 h"; a dash for None."""
    if seconds is None:
        return "–"
    seconds = max(0.0, seconds)
    if seconds < 9.95:
        return f"{seconds:.2f} s" if seconds < 0.995 else f"{seconds:.1f} s"
    return whole_duration(seconds)


def whole_duration(seconds: float) -> str:
    """Return a duration as `duration` does, without fractions: for a clock that ticks."""
    whole = max(0, round(seconds))
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if minutes == 0:
        return f"{whole} s"
    if hours == 0:
        return f"{minutes} min {whole % 60:02} s"
    if days == 0:
        return f"{hours} h {minutes % 60:02} min"
    return f"{days} d {hours % 24:02} h"


def number(value: Any) -> str:
    """Return a number with six significant digits; a dash for None; the default metric of a dict."""
    if isinstance(value, dict):
        value = value.get("default")
    if value is None:
        return "–"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return scalar(value)
    if isinstance(value, int):
        return str(value)
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return f"{value:.6g}"


def scalar(value: Any) -> str:
    """Return a parameter's value whole: text as it is, anything else as JSON."""
    return clean(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def flatten(parameters: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested parameters as one level of names.

    A nested choice {"layer": {"_name": "conv", "size": 3}} becomes layer = conv and layer.size = 3.
    """
    flat: dict[str, Any] = {}
    for name, value in parameters.items():
        if isinstance(value, dict) and value:
            if "_name" in value:
                flat[prefix + name] = value["_name"]
            flat.update(flatten({key: inner for key, inner in value.items() if key != "_name"}, f"{prefix}{name}."))
        else:
            flat[prefix + name] = value
    return flat


def parameters_line(parameters: Mapping[str, Any]) -> str:
    """Return parameters in one line, shortened: lr=0.0123457 layer=conv layer.size=3."""
    return " ".join(
        f"{clean(name)}={number(value) if isinstance(value, float) else one_line(scalar(value))}"
        for name, value in flatten(parameters).items()
    )


def clean(text: str) -> str:
    """Return text that can do nothing to a terminal: no escape sequences, no control characters but the newline.

    Of a line that overwrote itself, as progress bars do, what was last to be seen stays.
    """
    text = _ESCAPE_SEQUENCE.sub("", text).replace("\r\n", "\n").expandtabs(4)
    text = "\n".join(line.rstrip("\r").rsplit("\r", 1)[-1] for line in text.split("\n"))
    return _CONTROL.sub("", text).encode(errors="replace").decode()


def one_line(text: str) -> str:
    """Return text with its line breaks and runs of blanks as single blanks."""
    return " ".join(clean(text).split())
