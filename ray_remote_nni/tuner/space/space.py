"""A search space as a flat list of parameters, and the two ways between its numbers and NNI's JSON."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ray_remote_nni.tuner.space.domains import Choice, Domain, OutsideSpace

# One configuration: a number per parameter, in the order of SearchSpace.parameters; NaN where it is inactive.
Numbers = list[float]


@dataclass(frozen=True)
class Parameter:
    """One parameter, with the parameters below each value if it is a nested choice."""

    name: str
    index: int  # its place in SearchSpace.parameters
    domain: Domain
    branches: tuple[tuple[Parameter, ...], ...] = ()
    parent: int | None = None  # the index of the choice that it hangs on
    branch: int | None = None  # the value of that choice that makes it active

    @property
    def label(self) -> str:
        """A name that is unique in the space, for hyperopt."""
        return f"{self.index}:{self.name}"


@dataclass(frozen=True)
class SearchSpace:
    """The parameters at the top, each with what hangs on it."""

    roots: tuple[Parameter, ...]

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """All parameters, every one after the choice that it hangs on."""
        return tuple(_flatten(self.roots))

    @cached_property
    def size(self) -> int | None:
        """How many configurations there are; None when there is no end of them."""
        return _size(self.roots)

    def decode(self, numbers: Sequence[float]) -> dict[str, Any]:
        """Return the parameters as a trial gets them."""
        return _decode(self.roots, numbers)

    def encode(self, parameters: Mapping[str, Any]) -> Numbers:
        """Return the numbers of a trial's parameters; raises OutsideSpace when they do not fit the space."""
        numbers = [math.nan] * len(self.parameters)
        _encode(self.roots, parameters, numbers)
        return numbers

    def settle(self, numbers: Sequence[float]) -> tuple[dict[str, Any], Numbers]:
        """Return the parameters for some numbers, and the numbers that a later `encode` of them gives."""
        parameters = self.decode(numbers)
        return parameters, self.encode(parameters)

    def configuration(self, index: int) -> Numbers:
        """Return the numbers of the configuration at `index`, from 0 to `size` - 1; finite spaces only."""
        numbers = [math.nan] * len(self.parameters)
        _fill(self.roots, index, numbers)
        return numbers


def _flatten(parameters: Sequence[Parameter]) -> Iterator[Parameter]:
    for parameter in parameters:
        yield parameter
        for branch in parameter.branches:
            yield from _flatten(branch)


def _decode(parameters: Sequence[Parameter], numbers: Sequence[float]) -> dict[str, Any]:
    decoded: dict[str, Any] = {}
    for parameter in parameters:
        number = numbers[parameter.index]
        value = parameter.domain.value(number)
        if parameter.branches:
            value = {"_name": value, **_decode(parameter.branches[int(number)], numbers)}
        decoded[parameter.name] = value
    return decoded


def _encode(parameters: Sequence[Parameter], values: Any, numbers: Numbers) -> None:
    names = {parameter.name for parameter in parameters}
    if not isinstance(values, Mapping):
        raise OutsideSpace(_other_names(names, values))
    wrong = []
    for parameter in parameters:
        if parameter.name not in values:
            continue
        value = values[parameter.name]
        try:
            if not parameter.branches:
                numbers[parameter.index] = parameter.domain.number(value)
                continue
            if not isinstance(value, Mapping) or "_name" not in value:
                raise OutsideSpace(f"{value!r} is no nested choice, which has a _name")
            number = parameter.domain.number(value["_name"])
            numbers[parameter.index] = number
            _encode(parameter.branches[int(number)], value, numbers)
        except OutsideSpace as error:
            wrong.append(f"{parameter.name}: {error}")
    if set(values) - {"_name"} != names - {"_name"}:
        wrong.append(_other_names(names, values))
    if wrong:
        raise OutsideSpace("; ".join(wrong))


def _other_names(names: set[str], values: Any) -> str:
    found = {str(name) for name in values} if isinstance(values, Mapping) else set()
    missing, unknown = sorted(names - found - {"_name"}), sorted(found - names - {"_name"})
    parts = [f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing"] if missing else []
    parts += [f"there is no {', '.join(unknown)}"] if unknown else []
    return ", ".join(parts) or f"{values!r} is no set of parameters"


def _branch_sizes(parameter: Parameter) -> list[int | None]:
    return [_size(branch) for branch in parameter.branches]


def _parameter_size(parameter: Parameter) -> int | None:
    if not isinstance(parameter.domain, Choice) or not parameter.branches:
        return parameter.domain.size
    total = 0
    for size in _branch_sizes(parameter):
        if size is None:
            return None
        total += size
    return total


def _size(parameters: Sequence[Parameter]) -> int | None:
    product = 1
    for parameter in parameters:
        size = _parameter_size(parameter)
        if size is None:
            return None
        product *= size
    return product


def _fill(parameters: Sequence[Parameter], index: int, numbers: Numbers) -> None:
    """Read `index` as digits of mixed radix, one per parameter."""
    for parameter in parameters:
        size = _parameter_size(parameter)
        assert size is not None
        index, digit = divmod(index, size)
        if not parameter.branches:
            numbers[parameter.index] = parameter.domain.level(digit)
            continue
        for branch, branch_size in enumerate(_branch_sizes(parameter)):
            assert branch_size is not None
            if digit < branch_size:
                numbers[parameter.index] = float(branch)
                _fill(parameter.branches[branch], digit, numbers)
                break
            digit -= branch_size
