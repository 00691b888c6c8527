"""NNI's v1 schema, turned into v2 value by value: each keeps its place in the file and the name that it has there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from ray_remote_nni.config.legacy_names import (
    ALGORITHM_FIELDS,
    LOCAL_FIELDS,
    MACHINE_FIELDS,
    OTHER_PLATFORMS,
    REMOTE_FIELDS,
    ROOT_BLOCKS,
    ROOT_FIELDS,
    TRIAL_FIELDS,
    V1_NAME_OF,
)
from ray_remote_nni.config.located import (
    Entry,
    LocatedDict,
    LocatedList,
    LocatedScalar,
    Node,
    Source,
    describe,
    is_null,
    text_of,
)
from ray_remote_nni.config.names import FieldPath, dotted, fold, nearest, some_of
from ray_remote_nni.config.problems import Problem

_PLATFORM = "trainingServicePlatform"
_SERVICE = "trainingService"
_MACHINES = (_SERVICE, "machineList")


def is_v1(root: LocatedDict) -> bool:
    """NNI's own test: v1 files name their platform at the top."""
    return root.get(_PLATFORM) is not None


def convert_v1(source: Source) -> tuple[Source, list[Problem]]:
    """A v1 source as a v2 one, with a warning for each field that v2 has no place for."""
    converter = _Converter(source)
    return converter.convert(), converter.problems


@dataclass
class _Converter:
    source: Source
    problems: list[Problem] = field(default_factory=list)
    _root: dict[str, Entry] = field(default_factory=dict)
    _service: dict[str, Entry] = field(default_factory=dict)
    _names: dict[FieldPath, str] = field(default_factory=dict)
    _platform: str = ""

    def convert(self) -> Source:
        root = self.source.root
        # A message about a field that is missing has its v1 name too.
        self._names[_MACHINES] = "machineList"
        self._names |= {target: name for name, target in ROOT_FIELDS.items() if target is not None}
        self._names |= {target: f"trial.{name}" for name, target in TRIAL_FIELDS.items() if target is not None}
        self._names |= {(*_MACHINES, 0, v2): f"machineList[0].{name}" for name, v2 in MACHINE_FIELDS.items()}
        self._names[("tuner", "name")] = "tuner.builtinTunerName"
        platform = root.get(_PLATFORM)
        assert platform is not None
        self._platform = fold(text_of(platform.value) or "")
        self._service["platform"] = replace(platform, key="platform")
        self._names[(_SERVICE, "platform")] = platform.key
        self._names[(_SERVICE,)] = platform.key
        for name, entry in self._fields(root, (), {**ROOT_FIELDS, **ROOT_BLOCKS}):
            if name in ROOT_FIELDS:
                self._place(ROOT_FIELDS[name], (name,), entry)
            elif not is_null(entry.value):
                self._block(name, entry)
        if self._is_foreign and "trialCommand" not in self._root:
            # There each role of a trial may have a command of its own.
            command = LocatedScalar("none", "none", plain=True, mark=platform.mark)
            self._root["trialCommand"] = Entry("trialCommand", platform.mark, command)
        service = LocatedDict(tuple(self._service.values()), platform.mark)
        self._root[_SERVICE] = Entry(_SERVICE, platform.mark, service)
        converted = LocatedDict(tuple(self._root.values()), root.mark)
        return Source(self.source.file, converted, self._names)

    @property
    def _is_foreign(self) -> bool:
        """A platform that is refused anyway: its own fields are not worth an error each."""
        return self._platform not in ("local", "remote")

    def _block(self, name: str, entry: Entry) -> None:
        if name in ("tuner", "assessor", "advisor"):
            self._algorithm(name, entry)
        elif name == "machineList" and self._platform == "remote":
            self._machines(entry)
        elif name == "trial":
            self._moved(entry, (name,), TRIAL_FIELDS)
        elif name == "localConfig" and self._platform == "local":
            self._moved(entry, (name,), LOCAL_FIELDS)
        elif name == "remoteConfig" and self._platform == "remote":
            self._moved(entry, (name,), REMOTE_FIELDS)
        elif not self._is_foreign:
            message = f"it has no effect with trainingServicePlatform {self._platform}"
            self._warn((name,), message, entry)

    def _moved(self, entry: Entry, path: FieldPath, fields: Mapping[str, FieldPath | None]) -> None:
        for name, inner in self._fields(entry.value, path, fields):
            self._place(fields[name], (*path, name), inner)

    def _place(self, target: FieldPath | None, path: FieldPath, entry: Entry) -> None:
        """Puts a value where v2 has it; without a target, v2 has no place for it."""
        if target is None:
            self._drop(path, entry)
            return
        block = self._service if target[0] == _SERVICE else self._root
        key = str(target[-1])
        block[key] = replace(entry, key=key)
        self._names[target] = dotted(path)

    def _drop(self, path: FieldPath, entry: Entry) -> None:
        if path == ("multiPhase",) and isinstance(entry.value, LocatedScalar) and entry.value.value is True:
            message = "experiments of several phases do not exist any more, since NNI 2.0"
            self._error(path, message, "Remove it, and ask for parameters once in a trial", entry)
        elif path == ("multiThread",) and isinstance(entry.value, LocatedScalar) and entry.value.value is True:
            message = "it has no effect: a tuner's methods are called one at a time, as in NNI since 2.4"
            self._warn(path, message, entry)
        else:
            self._warn(path, "it has no effect, and the v2 schema has no such field", entry)

    def _algorithm(self, kind: str, entry: Entry) -> None:
        target = "tuner" if kind == "advisor" and self.source.root.given("tuner") is None else kind
        self._names[(target,)] = kind
        self._names[(target, "name")] = f"{kind}.builtin{kind.title()}Name"
        fields = {f"builtin{kind.title()}Name": (target, "name"), **ALGORITHM_FIELDS}
        if not isinstance(entry.value, LocatedDict):
            self._root[target] = replace(entry, key=target)
            return
        moved: dict[str, Entry] = {}
        own: dict[str, Entry] = {}
        for name, inner in self._fields(entry.value, (kind,), fields):
            place = fields[name]
            if name in ("classFileName", "className"):
                own[name] = inner
            elif place is None:
                self._drop((kind, name), inner)
            elif place == ("tunerGpuIndices",):
                self._place(place, (kind, name), inner)
            else:
                moved[place[-1]] = replace(inner, key=place[-1])
                self._names[(target, place[-1])] = dotted((kind, name))
        if own:
            moved["className"] = self._class_name(kind, target, entry, own)
        self._root[target] = Entry(target, entry.mark, LocatedDict(tuple(moved.values()), entry.value.mark))

    def _class_name(self, kind: str, target: str, entry: Entry, own: dict[str, Entry]) -> Entry:
        """`classFileName: a.py` with `className: B` is v2's `className: a.B`."""
        for missing, example in (("classFileName", "my_tuner.py"), ("className", "MyTuner")):
            if missing not in own:
                self._error((kind, missing), "this field is required", f"Add it, such as {missing}: {example}", entry)
        file, name = own.get("classFileName"), own.get("className")
        module = (text_of(file.value) if file else None) or ""
        text = f"{module.removesuffix('.py')}.{(text_of(name.value) if name else None) or ''}"
        if file is not None and not module.endswith(".py"):
            found = f"found {describe(file.value)}; accepted: a Python file in codeDir"
            self._error((kind, "classFileName"), found, "Write the name with its .py", file)
        at = (name or file or entry).mark
        self._names[(target, "className")] = dotted((kind, "className"))
        return Entry("className", at, LocatedScalar(text, text, False, at))

    def _machines(self, entry: Entry) -> None:
        machines = entry.value
        if isinstance(machines, LocatedList):
            items = tuple(self._machine(item, index) for index, item in enumerate(machines.items))
            machines = replace(machines, items=items)
        self._service["machineList"] = replace(entry, key="machineList", value=machines)

    def _machine(self, machine: Node, index: int) -> Node:
        if not isinstance(machine, LocatedDict):
            return machine
        entries = []
        for name, target in MACHINE_FIELDS.items():
            self._names[(*_MACHINES, index, target)] = dotted(("machineList", index, name))
        for name, entry in self._fields(machine, ("machineList", index), MACHINE_FIELDS):
            entries.append(replace(entry, key=MACHINE_FIELDS[name]))
        return replace(machine, entries=tuple(entries))

    def _fields(self, node: Node, path: FieldPath, known: Mapping[str, object]) -> Iterator[tuple[str, Entry]]:
        """The fields of a block by their v1 names; any other name is an error, and counts as what it meant."""
        if not isinstance(node, LocatedDict):
            message = f"found {describe(node)}; accepted: a mapping of fields"
            self.problems.append(self.source.problem(path, message))
            return
        names = {fold(name): name for name in known}
        seen: dict[str, Entry] = {}
        for entry in node.entries:
            if not path and fold(entry.key) == fold(_PLATFORM):
                continue
            name = names.get(fold(entry.key)) or self._unknown((*path, entry.key), entry, known, node)
            if name in seen:
                message = f"this is the same field as {seen[name].key} in line {seen[name].mark.line}"
                self._error((*path, entry.key), message, "Keep one", entry)
            elif name is not None:
                seen[name] = entry
                yield name, entry

    def _unknown(self, path: FieldPath, entry: Entry, known: Mapping[str, object], block: LocatedDict) -> str | None:
        """Reports a name that v1 does not know, and returns the one that was meant, if the block lacks it."""
        if self._is_foreign:
            return None
        v1_name = V1_NAME_OF.get(fold(entry.key))
        if fold(entry.key) == "name":
            v1_name = next((name for name in known if name.startswith("builtin")), None)
        if v1_name is not None:
            # In that block already, the name alone is what is to be changed.
            v1_name = next((name for name in known if v1_name.startswith(f"{name} in the block ")), v1_name)
            message = f"this is a v2 name, and {_PLATFORM} makes this a v1 file; in v1 this is {v1_name}"
            self._error(path, message, f"Write {v1_name}", entry)
            return v1_name if v1_name in known and block.get(v1_name) is None else None
        foreign = next((name for name in OTHER_PLATFORMS if fold(name) == fold(entry.key)), None)
        if foreign is not None:
            instead = OTHER_PLATFORMS[foreign]
            remedy = "Remove it" if instead is None else f"Remove it; {instead}"
            self._error(path, "this is a field of other platforms", remedy, entry)
            return None
        close = nearest(entry.key, known)
        if close is None:
            remedy = f"Remove it; accepted here: {some_of(known)}"
            self._error(path, "there is no such field in the v1 schema", remedy, entry)
            return None
        self._error(path, f"there is no such field; the nearest is {close}", f"Write {close}, or remove it", entry)
        return None if block.get(close) is not None else close

    def _error(self, path: FieldPath, message: str, remedy: str, entry: Entry) -> None:
        self.problems.append(self.source.problem(path, message, remedy, mark=entry.mark))

    def _warn(self, path: FieldPath, message: str, entry: Entry) -> None:
        remedy = "Remove it to be rid of this warning"
        self.problems.append(self.source.problem(path, message, remedy, level="warning", mark=entry.mark))
