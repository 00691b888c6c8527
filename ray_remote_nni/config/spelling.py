"""Field names first: every key gets the spelling that the models know, and a misspelt one the field it meant.

So everything behind this looks at correct names only, and a typo costs one error, not a second one for the field
that is missing then.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from pydantic import BaseModel

from ray_remote_nni.config.hints import Hint, field_names, hint_for_unknown
from ray_remote_nni.config.located import (
    Entry,
    LocatedDict,
    LocatedList,
    LocatedScalar,
    Node,
    Source,
    is_null,
    text_of,
)
from ray_remote_nni.config.models import (
    AlgorithmConfig,
    ExperimentConfig,
    LocalConfig,
    MachineConfig,
    RemoteConfig,
    model_of_values,
    models_in,
)
from ray_remote_nni.config.names import FieldPath, fold
from ray_remote_nni.config.normalise import CLASS_DIRECTORY, PREPARATION, SHORTCUTS
from ray_remote_nni.config.problems import Problem

# Names that NNI accepts in these places beside the fields of the models.
_OTHER_NAMES: dict[type[BaseModel], tuple[str, ...]] = {
    ExperimentConfig: ("advisor",),
    LocalConfig: SHORTCUTS,
    RemoteConfig: SHORTCUTS,
    MachineConfig: (PREPARATION,),
    AlgorithmConfig: (CLASS_DIRECTORY,),
}


def correct_names(source: Source) -> tuple[Source, list[Problem]]:
    """The same config in the models' spelling, without the fields that there are not, and what was wrong."""
    corrector = _Corrector(source)
    root = corrector.mapping(source.root, ExperimentConfig, ())
    names = {**source.original_names, **corrector.written}
    corrected = replace(source, root=root, original_names=names, elsewhere=frozenset(corrector.elsewhere))
    return corrected, corrector.problems


@dataclass
class _Corrector:
    source: Source
    problems: list[Problem] = field(default_factory=list)
    written: dict[FieldPath, str] = field(default_factory=dict)
    elsewhere: set[FieldPath] = field(default_factory=set)

    def node(self, node: Node, models: list[type[BaseModel]], path: FieldPath) -> Node:
        if isinstance(node, LocatedList):
            return replace(node, items=tuple(self.node(item, models, (*path, i)) for i, item in enumerate(node.items)))
        if not isinstance(node, LocatedDict):
            return node
        model = _model_for(node, models)
        return node if model is None else self.mapping(node, model, path)

    def mapping(self, node: LocatedDict, model: type[BaseModel], path: FieldPath) -> LocatedDict:
        names = {fold(name): name for name in (*field_names(model), *_OTHER_NAMES.get(model, ()))}
        fields: dict[str, Entry] = {}
        unknown: list[Entry] = []
        for entry in node.entries:
            name = names.get(fold(entry.key))
            if name is None:
                unknown.append(entry)
            elif name in fields:
                message = f"this is the same field as {fields[name].key} in line {fields[name].mark.line}"
                self._problem((*path, entry.key), message, "Keep one", entry)
            else:
                fields[name] = entry
        for entry in unknown:
            if model is ExperimentConfig and _is_parameter(entry.value) and _is_empty(fields.get("searchSpace")):
                message = "there is no such field here; it belongs in searchSpace above, which is empty"
                self._problem((*path, entry.key), message, "Indent it", entry)
                self.elsewhere.add(("searchSpace",))
                continue
            if model is AlgorithmConfig and fold(entry.key) == "classfilename" and text_of(entry.value):
                fields["className"] = self._class_in(entry, fields.get("className"), path)
                continue
            hint = hint_for_unknown(entry.key, model, path)
            self.elsewhere.update(hint.belongs)
            block = _empty_block(hint, fields, path)
            if block is not None:
                # Not moved, but not indented.
                message = f"there is no such field here; it belongs in {block} above, which is empty"
                self._problem((*path, entry.key), message, "Indent it", entry)
                self.elsewhere.add((*path, block))
                continue
            self._problem((*path, entry.key), hint.message, hint.remedy, entry)
            if hint.meant is not None and hint.meant not in fields:
                fields[hint.meant] = entry
                self.written[(*path, hint.meant)] = self.source.name((*path, entry.key))
        return replace(node, entries=tuple(self._entries(fields, model, path)))

    def _class_in(self, file: Entry, own: Entry | None, path: FieldPath) -> Entry:
        """What v1's `classFileName: a.py` and `className: B` are in v2, `className: a.B`."""
        name = (text_of(own.value) if own else None) or "MyTuner"
        whole = name if "." in name else f"{str(text_of(file.value)).removesuffix('.py')}.{name}"
        message = "this is a v1 name; in the v2 schema the file's name is part of className"
        self._problem((*path, file.key), message, f"Write className: {whole}, and remove this", file)
        entry = own or file
        return replace(entry, key="className", value=LocatedScalar(whole, whole, False, entry.value.mark))

    def _entries(self, fields: dict[str, Entry], model: type[BaseModel], path: FieldPath) -> Iterator[Entry]:
        annotations = {str(info.alias): info.annotation for info in model.model_fields.values()}
        for name, entry in fields.items():
            annotation = annotations.get("tuner" if name == "advisor" else name)
            by_name = model_of_values(annotation)
            if by_name is not None:
                yield replace(entry, key=name, value=self.named(entry.value, by_name, (*path, name)))
            else:
                yield replace(entry, key=name, value=self.node(entry.value, models_in(annotation), (*path, name)))

    def named(self, node: Node, model: type[BaseModel], path: FieldPath) -> Node:
        """A mapping of the user's own names to mappings of fields."""
        if not isinstance(node, LocatedDict):
            return node
        entries = (replace(e, value=self.node(e.value, [model], (*path, e.key))) for e in node.entries)
        return replace(node, entries=tuple(entries))

    def _problem(self, path: FieldPath, message: str, remedy: str, entry: Entry) -> None:
        self.problems.append(self.source.problem(path, message, remedy, mark=entry.mark))


def _is_empty(entry: Entry | None) -> bool:
    return entry is not None and is_null(entry.value)


def _is_parameter(node: Node) -> bool:
    """Whether it looks like a parameter of a search space."""
    return isinstance(node, LocatedDict) and node.get("_type") is not None


def _empty_block(hint: Hint, fields: Mapping[str, Entry], path: FieldPath) -> str | None:
    """The block beside a misplaced field that is empty, and that the field belongs into."""
    blocks = [str(home[-2]) for home in hint.belongs if home[:-2] == path and len(home) > 1]
    return next((block for block in blocks if _is_empty(fields.get(block))), None)


def _model_for(node: LocatedDict, models: list[type[BaseModel]]) -> type[BaseModel] | None:
    """Which of the models this mapping is to become: of several, the one of its platform."""
    if len(models) < 2:
        return models[0] if models else None
    platform = text_of(node.given("platform"))
    if platform is None:
        return RemoteConfig if node.get("machineList") is not None else LocalConfig
    by_platform: dict[str, type[BaseModel]] = {"local": LocalConfig, "remote": RemoteConfig}
    return by_platform.get(fold(platform))
