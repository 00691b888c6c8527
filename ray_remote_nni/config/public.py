"""A config as others may see it: v2 names, plain values, no secret."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr

_SECRET_NAME = re.compile(r"passw|passphrase|secret|token|api_?key|access_?key|account_?key|credential", re.IGNORECASE)

# The one word that a password or passphrase may be replaced with: ray-nni asks for it at the terminal.
ASK = "ask"


def looks_secret(name: str) -> bool:
    """Whether a variable or field of this name most likely holds a secret."""
    return _SECRET_NAME.search(name) is not None


def duration_text(seconds: float) -> str:
    """Seconds in the largest unit that divides them: 7200 is `2h`."""
    whole = int(seconds)
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if whole % length == 0:
            return f"{whole // length}{unit}"
    return f"{whole}s"


def public_value(value: Any) -> Any:
    """The value in JSON's types. Of a model, fields that are not set are left out; a secret becomes `ask`."""
    if isinstance(value, BaseModel):
        fields = type(value).model_fields
        return {
            str(info.alias): _public_field(name, getattr(value, name))
            for name, info in fields.items()
            if getattr(value, name) is not None
        }
    if isinstance(value, SecretStr):
        return ASK
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, dict):
        return {str(key): public_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [public_value(item) for item in value]
    return value


def _public_field(name: str, value: Any) -> Any:
    return duration_text(value) if name.endswith("_s") else public_value(value)
