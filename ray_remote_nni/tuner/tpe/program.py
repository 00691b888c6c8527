"""A hyperopt graph, put in order once and then run as a flat list of calls.

hyperopt's `rec_eval` walks the graph of a suggestion, some 45 nodes a parameter, at every suggestion. The
order of evaluation never changes, so we record it once, work out what does not depend on any input, and
replay the rest. Suggestions stay the same, seed for seed; tests/unit/tuner/tpe holds us to that.
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
        self._slots: dict[Apply, int] = {node: slot for slot, node in enumerate(inputs)}
        self._memory: list[Any] = [None] * len(inputs)
        self._steps: list[_Step] = []
        table = {**implementations(), **(functions or {})}
        known: set[int] = set()
        for node in _in_order(output, inputs):
            slot = self._slots[node] = len(self._memory)
            self._memory.append(None)
            if isinstance(node, Literal):
                self._memory[slot] = node.obj
                known.add(slot)
                continue
            function = table[node.name]
            positional = tuple(self._slots[argument] for argument in node.pos_args)
            named = tuple((name, self._slots[argument]) for name, argument in node.named_args)
            if known.issuperset([*positional, *(source for _, source in named)]) and not is_random(node):
                self._memory[slot] = function(
                    *[self._memory[source] for source in positional],
                    **{name: self._memory[source] for name, source in named},
                )
                known.add(slot)
            else:
                self._steps.append((slot, function, positional, named))
        self._output = self._slots[output]

    def run(self, values: Sequence[Any]) -> Any:
        """Return the graph's value for these values of its inputs, in the order of `inputs`."""
        memory = self._memory.copy()
        memory[: len(values)] = values
        for slot, function, positional, named in self._steps:
            if named:
                memory[slot] = function(
                    *[memory[source] for source in positional], **{name: memory[source] for name, source in named}
                )
            else:
                memory[slot] = function(*[memory[source] for source in positional])
        return memory[self._output]


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
