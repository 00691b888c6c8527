"""A hyperopt graph, put in order once and then run as a flat list of calls.

hyperopt's `rec_eval` walks the graph of a suggestion, some 45 nodes a parameter, at every suggestion. The
order of evaluation never changes, so we record it once, work out what does not depend on any input, leave
out what would be worked out twice, and replay the rest. Suggestions stay the same, seed for seed, which a
test holds us to: the graph's private names are those of hyperopt 0.3.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ray_remote_nni.tuner.tpe.engine import Apply, Literal, implementations, is_random

_Step = tuple[int, Callable[..., Any], tuple[int, ...], tuple[tuple[str, int], ...]]


class Program:
    """The evaluation of one graph, with some of its nodes as inputs."""

    def __init__(
        self,
        output: Apply,
        inputs: Sequence[Apply],
        functions: Mapping[str, Callable[..., Any]] | None = None,
    ) -> None:
        """Put the graph below `output` in order; `functions` replaces hyperopt's functions by node name."""
        self._memory: list[Any] = [None] * len(inputs)
        self._steps: list[_Step] = []
        slots: dict[Apply, int] = {node: slot for slot, node in enumerate(inputs)}
        same: dict[Any, int] = {}  # what was worked out before, by its function and sources
        known: set[int] = set()
        table = {**implementations(), **(functions or {})}
        for node in _in_order(output, inputs):
            if isinstance(node, Literal):
                slots[node] = self._new_slot(node.obj)
                known.add(slots[node])
                continue
            positional = tuple(slots[argument] for argument in node.pos_args)
            named = tuple((name, slots[argument]) for name, argument in node.named_args)
            random = is_random(node)
            if not random and (node.name, positional, named) in same:
                slots[node] = same[node.name, positional, named]
                continue
            slots[node] = same[node.name, positional, named] = slot = self._new_slot(None)
            step = (slot, table[node.name], positional, named)
            if not random and known.issuperset([*positional, *(source for _, source in named)]):
                _take(step, self._memory)
                known.add(slot)
            else:
                self._steps.append(step)
        self._output = slots[output]

    def _new_slot(self, value: Any) -> int:
        self._memory.append(value)
        return len(self._memory) - 1

    def run(self, values: Sequence[Any]) -> Any:
        """Return the graph's value for these values of its inputs, in the order of `inputs`."""
        memory = self._memory.copy()
        memory[: len(values)] = values
        for step in self._steps:
            _take(step, memory)
        return memory[self._output]


def _take(step: _Step, memory: list[Any]) -> None:
    slot, function, positional, named = step
    if named:
        keywords = {name: memory[source] for name, source in named}
        memory[slot] = function(*[memory[source] for source in positional], **keywords)
    else:
        memory[slot] = function(*[memory[source] for source in positional])


def _in_order(output: Apply, inputs: Sequence[Apply]) -> list[Apply]:
    """List the nodes below `output` in the order in which hyperopt's rec_eval evaluates them.

    The order decides which node gets which random numbers.
    """
    done = set(inputs)
    order: list[Apply] = []
    stack = [output]
    while stack:
        node = stack.pop()
        if node in done:
            continue
        missing = [argument for argument in node.inputs() if argument not in done]
        if missing:
            stack.append(node)
            stack.extend(missing)
        else:
            order.append(node)
            done.add(node)
    return order
