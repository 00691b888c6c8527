"""The forms in which NNI accepts a value (times, sizes, GPU lists, ...), as validators for pydantic models."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, SecretStr, ValidationInfo, WithJsonSchema

from ray_remote_nni.config.names import listed, nearest
from ray_remote_nni.config.problems import Refused
from ray_remote_nni.config.quantities import number, parse_duration_s, parse_size_bytes, whole, whole_number

#: OpenSSH refuses host names and login names that have one of these.
_SHELLS_OWN = re.compile(r"""['`";&<>|(){}]""")
#: What people take from a command line or a URL: ssh://user@host:22.
_PLACE = re.compile(r"(ssh://)?(?:([^@/:\s,]+)@)?([^@/:\s,]+)(?::([0-9]+))?/?")
_PYTHON_ITSELF = re.compile(r"(.*[/\\](?:bin|scripts))[/\\]python[0-9.]*(?:\.exe)?", re.IGNORECASE)
_INDEX_RANGE = re.compile(r"\s*([0-9]{1,3})\s*(?:-|\.\.)\s*([0-9]{1,3})\s*")


def parse_gpu_indices(value: Any) -> tuple[int, ...]:
    """A list of indices, one index, or a text like "0,1". Raises Refused."""
    accepted = 'GPU indices as a list ([0, 1]), one index (0) or a text ("0,1"), each once and none below zero'
    if isinstance(value, str):
        value = value.split(",")
    elif isinstance(value, int | float):
        value = [value]
    elif not isinstance(value, list | tuple):
        raise Refused(accepted)
    indices = [whole_number(item) for item in value]
    if any(index is None or index < 0 for index in indices) or len(set(indices)) < len(indices):
        raise Refused(accepted, _written_out(value), show_items=True)
    return tuple(index for index in indices if index is not None)


def _written_out(items: Any) -> str | None:
    """The remedy for ranges, such as `0-3`: NNI has none."""
    indices: list[int] = []
    for item in items:
        match = _INDEX_RANGE.fullmatch(str(item))
        index = whole_number(item)
        if match is not None:
            indices += range(int(match[1]), int(match[2]) + 1)
        elif index is not None:
            indices.append(index)
        else:
            return None
    good = len(set(indices)) == len(indices) > 0 and min(indices) >= 0
    return f"Write {indices}" if good and len(indices) <= 64 else None


def flag(value: object) -> bool | None:
    """The value as a bool if it is one, in words too."""
    if isinstance(value, bool):
        return value
    words = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
    return words.get(value.lower()) if isinstance(value, str) else None


def _flag(value: Any) -> bool:
    result = flag(value)
    if result is None:
        number_ = whole_number(value)
        raise Refused("true or false", f"Write {'true' if number_ else 'false'}" if number_ in (0, 1) else None)
    return result


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise Refused("a text that is not empty")
    if "\0" in value:
        # No command, path or variable can hold one.
        raise Refused("a text without NUL characters")
    return value


def _line(value: Any) -> str:
    text = _text(value)
    if len(text.splitlines()) > 1 or text.endswith(("\n", "\r")):
        raise Refused("a text without line breaks")
    return text


def _python_path(value: Any) -> str:
    folder = _line(value)
    if match := _PYTHON_ITSELF.fullmatch(folder):
        raise Refused("the folder that Python is in", f"Write {match[1]}")
    return folder


def _user(value: Any) -> str:
    """Return a login name. Like OpenSSH (`valid_ruser`), it takes none that a shell of a ProxyCommand could obey."""
    user = _line(value)
    if _SHELLS_OWN.search(user) or user.startswith("-") or re.search(r"\s-", user) or user.endswith("\\"):
        raise Refused("a login name, without quotes and other signs of a shell, not beginning with -")
    return user


def _variables(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        raise Refused("names of variables, each with its value")
    for name, content in value.items():
        if not name or "=" in str(name) or "\0" in f"{name}{content}":
            raise Refused("names of variables without = in them, and values without NUL characters")
    return value


def _host(value: Any) -> str:
    host = _text(value).strip()
    # As OpenSSH does (`valid_hostname`): ~/.ssh/config may hand it to a shell.
    if _SHELLS_OWN.search(host) or set(host) & set("$\\") or host.startswith("-") or not host.isprintable():
        raise Refused("a host name or address, without quotes and other signs of a shell, not beginning with -")
    if place := _PLACE.fullmatch(host):
        scheme, user, name, port = place.groups()
        if scheme or user or port:
            others = [f"the {field} {part}" for field, part in (("user", user), ("port", port)) if part]
            own = "a field of its own" if len(others) == 1 else "fields of their own"
            remedy = f"Write {name}" + (f", and {' and '.join(others)} in {own}" if others else "")
            raise Refused("a host name or address", remedy)
    if set(host) & set("[]") and ":" not in host:
        raise Refused("one host name or address, and nothing else", "Write an item of the list for each machine")
    if re.search(r"[\s/,@*?]", host) or "://" in host or host.count(":") == 1:
        raise Refused("one host name or address, and nothing else")
    return host


def _secret(value: Any) -> SecretStr:
    secret = value if isinstance(value, SecretStr) else SecretStr(value if isinstance(value, str) else "")
    if not secret.get_secret_value():
        raise Refused("a text that is not empty, or ask", "Remove the field if there is none")
    return secret


def resolve_path(text: str, base: Path) -> Path:
    """Absolute: a relative path starts at `base`, the folder of the YAML file; `~` is the home."""
    return Path(os.path.abspath(base / os.path.expanduser(text)))


def _path(value: Any, info: ValidationInfo) -> Path:
    if isinstance(value, Path):
        return value
    text = _text(value)
    if not text.isprintable():
        # "C:\new" in double quotes has a line break in it.
        remedy = "In double quotes a backslash starts an escape, such as \\n for a line break: use single quotes"
        raise Refused("a path without line breaks and other signs that cannot be seen", remedy)
    return resolve_path(text, Path((info.context or {}).get("base", ".")))


def one_of(*values: str) -> BeforeValidator:
    """The validator of a text with a fixed set of values, in any case."""

    def validate(value: Any) -> str:
        for candidate in values:
            if isinstance(value, str) and value.lower() == candidate.lower():
                return candidate
        close = nearest(value, values) if isinstance(value, str) else None
        raise Refused(listed(values), f"Write {close}" if close else None)

    return BeforeValidator(validate)


def _cpus(value: Any) -> float:
    result = number(value)
    if result is None or result < 0:
        raise Refused("a number of at least 0")
    return float(result)


_QUANTITY_SCHEMA = {"anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "string", "pattern": "[0-9]"}]}
_GPU_SCHEMA = {
    "anyOf": [
        {"type": "array", "items": {"type": "integer", "minimum": 0}, "uniqueItems": True},
        {"type": "integer", "minimum": 0},
        {"type": "string", "pattern": "^[0-9 ,]+$"},
    ]
}

Count = Annotated[int, BeforeValidator(whole(1)), Field(json_schema_extra={"minimum": 1})]
CountOrZero = Annotated[int, BeforeValidator(whole(0)), Field(json_schema_extra={"minimum": 0})]
Port = Annotated[int, BeforeValidator(whole(1, 65535)), Field(json_schema_extra={"minimum": 1, "maximum": 65535})]
Cpus = Annotated[float, BeforeValidator(_cpus), Field(json_schema_extra={"minimum": 0})]
DurationS = Annotated[float, BeforeValidator(parse_duration_s), WithJsonSchema(_QUANTITY_SCHEMA)]
SizeBytes = Annotated[int, BeforeValidator(parse_size_bytes), WithJsonSchema(_QUANTITY_SCHEMA)]
GpuIndices = Annotated[tuple[int, ...], BeforeValidator(parse_gpu_indices), WithJsonSchema(_GPU_SCHEMA)]
Flag = Annotated[bool, BeforeValidator(_flag)]
Text = Annotated[str, BeforeValidator(_text)]
Line = Annotated[str, BeforeValidator(_line)]
PythonPath = Annotated[str, BeforeValidator(_python_path)]
User = Annotated[str, BeforeValidator(_user)]
Variables = Annotated[dict[str, str], BeforeValidator(_variables)]
Host = Annotated[str, BeforeValidator(_host)]
Secret = Annotated[SecretStr, BeforeValidator(_secret), WithJsonSchema({"type": "string"})]
FilePath = Annotated[Path, BeforeValidator(_path), WithJsonSchema({"type": "string"})]
