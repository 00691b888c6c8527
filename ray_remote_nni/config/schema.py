"""The JSON Schema of the v2 config, with which an editor completes and checks a file."""

from __future__ import annotations

from typing import Any

from ray_remote_nni.config.models import ExperimentConfig
from ray_remote_nni.config.normalise import SHORTCUTS
from ray_remote_nni.config.search_space import TYPES

_TITLE = "Experiment configuration of NNI (schema v2) and ray-nni"
_SERVICES = ("LocalConfig", "RemoteConfig")

# A value from the environment, and NNI's "not set", are good for every field.
_NOT_GIVEN = {"type": "null"}
_VARIABLE = {"type": "string", "pattern": r"\$\{[A-Za-z_][A-Za-z0-9_]*(:-[^}]*)?\}"}

_SEARCH_SPACE = {
    "type": "object",
    "additionalProperties": {
        "type": "object",
        "properties": {
            "_type": {"enum": list(TYPES), "description": "How values are drawn"},
            "_value": {"type": "array", "minItems": 1, "description": "The choices, or the range"},
        },
    },
}


def json_schema() -> dict[str, Any]:
    """The schema as a dict (draft 2020-12).

    It completes names in NNI's own spelling and accepts the others that NNI accepts. Rules between fields and the
    existence of files are left to `load_config`.
    """
    schema = ExperimentConfig.model_json_schema(by_alias=True)
    models: dict[str, Any] = schema["$defs"]
    _extend_services(schema, models)
    schema["properties"]["searchSpace"].update(_SEARCH_SPACE)
    schema["properties"]["advisor"] = {**schema["properties"]["tuner"], "description": "Old name of tuner"}
    schema["required"] = [name for name in schema["required"] if name not in ("tuner", "trialCommand")]
    for model in models.values():
        _loosen(model)
    _loosen(schema)
    alternatives = [["searchSpace", "searchSpaceFile"], ["tuner", "advisor"]]
    schema["allOf"] += [{"anyOf": [_has(name) for name in names]} for names in alternatives]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": _TITLE}


def _extend_services(schema: dict[str, Any], models: dict[str, Any]) -> None:
    """`trainingService` may be a list of one, and may hold what NNI takes at the top level too."""
    for name in _SERVICES:
        shortcuts = {shortcut: schema["properties"][shortcut] for shortcut in SHORTCUTS}
        models[name]["properties"] |= shortcuts
        models[name]["required"] = sorted({*models[name].get("required", []), "platform"})
    services = [{"$ref": f"#/$defs/{name}"} for name in _SERVICES]
    one = {"oneOf": services}
    described = schema["properties"]["trainingService"].get("description", "")
    several = {"type": "array", "items": one, "minItems": 1, "maxItems": 1}
    schema["properties"]["trainingService"] = {"description": described, "anyOf": [*services, several]}


def _loosen(model: dict[str, Any]) -> None:
    """Names in any case and with underscores; null and variables as values."""
    required = model.pop("required", [])
    properties = model["properties"]
    for name, schema in properties.items():
        properties[name] = _loose(schema, name in required)
    model["patternProperties"] = {_any_spelling(name): schema for name, schema in properties.items()}
    if required:
        model["allOf"] = [_has(name) for name in required]


def _loose(schema: dict[str, Any], required: bool) -> dict[str, Any]:
    notes: dict[str, Any] = {key: schema[key] for key in ("description", "default", "examples") if key in schema}
    value = {key: item for key, item in schema.items() if key not in (*notes, "title")}
    forms = [*value.pop("anyOf")] if set(value) == {"anyOf"} else [value]
    more = [form for form in ([_VARIABLE] if required else [_VARIABLE, _NOT_GIVEN]) if form not in forms]
    return {**notes, "anyOf": forms + more}


def _any_spelling(name: str) -> str:
    letters = (f"[{letter.lower()}{letter.upper()}]" if letter.isalpha() else letter for letter in name)
    return "^_*" + "_*".join(letters) + "_*$"


def _has(name: str) -> dict[str, Any]:
    """The object has this property in some spelling: not all of its names are other names."""
    others = {"propertyNames": {"not": {"pattern": _any_spelling(name)}}}
    return {"anyOf": [{"required": [name]}, {"not": others}]}
