"""From located values, their names corrected, to a model: every refusal becomes a problem with a place."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo

from ray_remote_nni.config.located import (
    LocatedDict,
    LocatedList,
    LocatedScalar,
    Node,
    Source,
    describe,
    is_null,
    to_plain,
)
from ray_remote_nni.config.models import is_model, model_of_values
from ray_remote_nni.config.names import FieldPath
from ray_remote_nni.config.problems import Problem, Refused

ModelT = TypeVar("ModelT", bound=BaseModel)


class _Failed:
    """Stands for a value that was refused already, so that its field is not called missing as well."""


_FAILED = _Failed()


@dataclass
class Builder:
    """Builds models from one source; `problems` grows with everything that is wrong in it.

    `base` is the folder at which relative paths start.
    """

    source: Source
    base: Path
    problems: list[Problem] = field(default_factory=list)

    def build(
        self, model: type[ModelT], node: Node, path: FieldPath, ready: Mapping[str, Any] | None = None
    ) -> ModelT | None:
        """A model of the mapping at this path, or None where a required part of it is bad.

        `ready` holds fields that the caller built itself, by their Python names; None in it marks one that failed.
        """
        if not isinstance(node, LocatedDict):
            self._refuse(path, node, "a mapping of fields", _example_of(model, node))
            return None
        values: dict[str, Any] = {}
        failed: set[str] = set()
        names = {str(info.alias): name for name, info in model.model_fields.items()}
        for entry in node.entries:
            name = names[entry.key]
            if is_null(entry.value) or (ready is not None and name in ready):
                continue
            value = self._value(model.model_fields[name].annotation, entry.value, (*path, entry.key))
            if value is _FAILED:
                failed.add(name)
            else:
                values[name] = value
        for name, value in (ready or {}).items():
            if value is None:
                failed.add(name)
            else:
                values[name] = value
        return self._validate(model, values, failed, path)

    def _value(self, annotation: Any, node: Node, path: FieldPath) -> Any:
        leaves = _leaves(annotation)
        for leaf in leaves:
            if is_model(leaf):
                built = self.build(leaf, node, path)
                return _FAILED if built is None else built
            if get_origin(leaf) is tuple and is_model(get_args(leaf)[0]):
                return self._models(get_args(leaf)[0], node, path)
            if (model := model_of_values(leaf)) is not None:
                return self._models_by_name(model, node, path)
            if get_origin(leaf) is dict:
                return self._dictionary(get_args(leaf)[1], node, path)
        if _is_text(leaves):
            if isinstance(node, LocatedScalar):
                return node.text
            self._refuse(path, node, "a text")
            return _FAILED
        return to_plain(node)

    def _models(self, model: type[BaseModel], node: Node, path: FieldPath) -> Any:
        if not isinstance(node, LocatedList):
            self._refuse(path, node, "a list of mappings", "Start each with '- '")
            return _FAILED
        built = [self.build(model, item, (*path, index)) for index, item in enumerate(node.items)]
        return _FAILED if None in built else tuple(built)

    def _models_by_name(self, model: type[BaseModel], node: Node, path: FieldPath) -> Any:
        if not isinstance(node, LocatedDict):
            self._refuse(path, node, "a mapping")
            return _FAILED
        built = {entry.key: self.build(model, entry.value, (*path, entry.key)) for entry in node.entries}
        return _FAILED if None in built.values() else built

    def _dictionary(self, item: Any, node: Node, path: FieldPath) -> Any:
        if not isinstance(node, LocatedDict):
            self._refuse(path, node, "a mapping", "Write each as 'name: value'")
            return _FAILED
        if item is not str:
            return to_plain(node)
        values: dict[str, str] = {}
        for entry in node.entries:
            if is_null(entry.value):
                self._refuse((*path, entry.key), entry.value, "a text", 'Write "" for an empty one, or remove it')
            elif not isinstance(entry.value, LocatedScalar):
                self._refuse((*path, entry.key), entry.value, "a text")
            else:
                values[entry.key] = entry.value.text
        return values

    def _validate(
        self, model: type[ModelT], values: dict[str, Any], failed: set[str], path: FieldPath
    ) -> ModelT | None:
        try:
            return model.model_validate(values, context={"base": self.base})
        except ValidationError as error:
            names = {str(info.alias): name for name, info in model.model_fields.items()}
            for detail in error.errors(include_url=False):
                first = str(detail["loc"][0])
                name = names.get(first, first)
                if name in failed:
                    continue
                info = model.model_fields[name]
                place = (*path, str(info.alias), *detail["loc"][1:])
                if detail["type"] == "missing":
                    self._missing(place, info)
                else:
                    self._translate(place, detail.get("ctx", {}).get("error"), detail["msg"], info)
            return None

    def _missing(self, path: FieldPath, info: FieldInfo) -> None:
        if path in self.source.elsewhere:
            return
        name = self.source.name(path).rpartition(".")[2]
        example = f", such as {name}: {self._example(path, info.examples[0])}" if info.examples else ""
        if self.source.find(path) is None:
            mark = self.source.mark_of_key(path[:-1])
            problem = self.source.problem(path, "this field is required", f"Add it{example}", mark=mark)
        else:
            mark = self.source.mark_of_key(path)
            problem = self.source.problem(
                path, "this field is required, and it is empty", f"Fill it{example}", mark=mark
            )
        self.problems.append(problem)

    def _example(self, path: FieldPath, example: Any) -> str:
        """An example as YAML, its fields by the names that they have in this file."""
        if isinstance(example, list):
            return f"[{', '.join(self._example((*path, index), item) for index, item in enumerate(example))}]"
        if isinstance(example, dict):
            names = {key: self.source.name((*path, key)).rpartition(".")[2] for key in example}
            return "{" + ", ".join(f"{names[key]}: {value}" for key, value in example.items()) + "}"
        return str(example)

    def _translate(self, path: FieldPath, cause: Any, message: str, info: FieldInfo) -> None:
        node = self.source.find(path)
        if isinstance(cause, Refused):
            self._refuse(path, node, cause.accepted, cause.remedy, secret=_is_secret(info), items=cause.show_items)
        elif isinstance(node, LocatedList) and not node.items:
            example = f", such as {self._example(path, info.examples[0])}" if info.examples else ""
            self._refuse(path, node, "a list with at least one item", f"Write its items{example}")
        else:
            self.problems.append(self.source.problem(path, message[:1].lower() + message[1:]))

    def _refuse(
        self,
        path: FieldPath,
        node: Node | None,
        accepted: str,
        remedy: str | None = None,
        *,
        secret: bool = False,
        items: bool = False,
    ) -> None:
        found = "" if node is None or secret else f"found {describe(node, items=items)}; "
        self.problems.append(self.source.problem(path, f"{found}accepted: {accepted}", remedy))


def _example_of(model: type[BaseModel], found: Node) -> str | None:
    """How to write the fields of a model. A text that stands in their place is most likely the first that matters."""
    is_text = isinstance(found, LocatedScalar) and isinstance(found.value, str) and found.template is None
    text = found.text if isinstance(found, LocatedScalar) and is_text else None
    for info in model.model_fields.values():
        if info.examples:
            fits = info.alias != "platform" or text in ("local", "remote")
            return f"Write its fields, such as {info.alias}: {text if text and fits else info.examples[0]}"
    return None


def _leaves(annotation: Any) -> list[Any]:
    """The types that an annotation lets through, without `Annotated`, unions and None."""
    if get_origin(annotation) in (Union, types.UnionType):
        return [leaf for part in get_args(annotation) for leaf in _leaves(part)]
    if hasattr(annotation, "__metadata__"):
        return _leaves(get_args(annotation)[0])
    return [] if annotation is type(None) else [annotation]


def _is_text(leaves: list[Any]) -> bool:
    return all(leaf in (str, SecretStr, Path) or get_origin(leaf) is Literal for leaf in leaves)


def _is_secret(info: FieldInfo) -> bool:
    return SecretStr in _leaves(info.annotation)
