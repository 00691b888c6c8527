"""A config as a clean v2 file: NNI's names in one order, values as they were written."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import yaml

from ray_remote_nni.config.load import in_v2, load_config, read_source
from ray_remote_nni.config.located import Entry, LocatedDict, LocatedList, LocatedScalar, Node, is_null
from ray_remote_nni.config.models import ExperimentConfig
from ray_remote_nni.config.public import ASK
from ray_remote_nni.config.service import HasUser, nobody_knows
from ray_remote_nni.config.unused import without_unused

_SECRETS = ("password", "sshPassphrase", "storageAccountKey")


def to_v2_yaml(
    path: Path,
    environ: Mapping[str, str] = os.environ,
    *,
    with_secrets: bool = False,
    has_user: HasUser = nobody_knows,
) -> str:
    """The config at `path` in the v2 schema, for the same folder: relative paths and `${...}` stay as they are.

    A password or passphrase that is written out in the file becomes `ask`, unless `with_secrets`. NNI's fields that
    have no effect, of which `load_config` warns, are left out.
    Raises ConfigInvalid where `load_config` does.
    """
    load_config(path, environ, has_user=has_user)
    source, _ = in_v2(read_source(path))
    root = _ordered(without_unused(source))
    if not with_secrets:
        root = _asking(root)
    text: str = yaml.serialize(_to_yaml(root), Dumper=yaml.SafeDumper, allow_unicode=True, width=120)
    return text


def _ordered(root: LocatedDict) -> Node:
    """The top level's fields in the order of the model, `trainingService` with its platform first."""
    order = [str(info.alias) for info in ExperimentConfig.model_fields.values()]
    entries = sorted(root.entries, key=lambda entry: order.index(entry.key))
    return _given(replace(root, entries=tuple(map(_platform_first, entries))))


def _platform_first(entry: Entry) -> Entry:
    if entry.key != "trainingService" or not isinstance(entry.value, LocatedDict):
        return entry
    fields = sorted(entry.value.entries, key=lambda inner: inner.key != "platform")
    return replace(entry, value=replace(entry.value, entries=tuple(fields)))


def _given(node: Node, depth: int = 0) -> Node:
    """Without NNI's fields that are null. Deeper down (`classArgs`, a search space) null may be a value."""
    if not isinstance(node, LocatedDict) or depth > 1:
        return node
    entries = (replace(entry, value=_given(entry.value, depth + 1)) for entry in node.entries)
    return replace(node, entries=tuple(entry for entry in entries if not is_null(entry.value)))


def _asking(node: Node) -> Node:
    if isinstance(node, LocatedList):
        return replace(node, items=tuple(map(_asking, node.items)))
    if not isinstance(node, LocatedDict):
        return node
    return replace(node, entries=tuple(replace(entry, value=_asked(entry)) for entry in node.entries))


def _asked(entry: Entry) -> Node:
    value = entry.value
    if entry.key not in _SECRETS or not isinstance(value, LocatedScalar) or is_null(value):
        return _asking(value)
    return value if "${" in value.text else replace(value, value=ASK, text=ASK, plain=True)


def _to_yaml(node: Node) -> yaml.Node:
    if isinstance(node, LocatedDict):
        pairs = [(_text_node(entry.key), _to_yaml(entry.value)) for entry in node.entries]
        return yaml.MappingNode("tag:yaml.org,2002:map", pairs, flow_style=not pairs)
    if isinstance(node, LocatedList):
        flow = all(isinstance(item, LocatedScalar) for item in node.items)
        return yaml.SequenceNode("tag:yaml.org,2002:seq", [_to_yaml(item) for item in node.items], flow_style=flow)
    if not node.plain:
        return _text_node(node.text)
    tag = yaml.SafeLoader("").resolve(yaml.ScalarNode, node.text, (True, False))  # type: ignore[no-untyped-call]
    return yaml.ScalarNode(tag, node.text)


def _text_node(text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else '"' if "${" in text else None
    return yaml.ScalarNode("tag:yaml.org,2002:str", text, style=style)
