"""Lets the machines try each other's ports, all at once: each gets one Python process for as long as that takes."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ray_remote_nni.cluster.facts import MachineFacts
from ray_remote_nni.cluster.interpreter import send_module
from ray_remote_nni.cluster.reachability import Attempts, candidate_addresses, choose_address
from ray_remote_nni.cluster.together import on_all
from ray_remote_nni.cluster.transport import Stream, Transport
from ray_remote_nni.errors import MachineError
from ray_remote_nni.words import last_line

_SOURCE = Path(__file__).parent / "remote/reach.py"
_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Place:
    """A machine to be reached by the others on `ports`; 0 is any port that the system gives out."""

    host: str
    transport: Transport
    facts: MachineFacts
    ports: tuple[int, ...]


@dataclass(frozen=True)
class Survey:
    """The address of each machine, in order, and what got through there."""

    addresses: tuple[str, ...]
    attempts: Attempts


@dataclass
class _Probe:
    place: Place
    stream: Stream
    mark: str
    lines: AsyncIterator[bytes]
    candidates: tuple[str, ...]
    #: Its ports, and the word that is heard there.
    words: dict[int, str] = field(default_factory=dict)

    async def answer(self) -> Any:
        try:
            return await asyncio.wait_for(self._next(), _TIMEOUT_S)
        except asyncio.TimeoutError as error:
            raise MachineError(self.place.transport.host, f"it tried no ports within {_TIMEOUT_S:.0f} s.") from error

    async def _next(self) -> Any:
        async for line in self.lines:
            _, found, text = line.decode(errors="replace").partition(self.mark)
            if found:
                return json.loads(text)
        _, errors = await self.stream.wait()
        raise MachineError(
            self.place.transport.host, f"it could not try the ports of the others: {last_line(errors, '?')}."
        )

    async def attempt(self, targets: Sequence[tuple[str, int, str]]) -> list[str]:
        await self.stream.write(json.dumps(targets).encode() + b"\n")
        answers: list[str] = await self.answer()
        return answers


async def survey(places: Sequence[Place]) -> Survey:
    """Let each machine try each other one. Raises ClusterError where a machine cannot take part."""
    async with AsyncExitStack() as stack:
        probes = await on_all(stack.enter_async_context(_probe(place)) for place in places)
        addresses = await _choose(probes)
        attempts = await _try_ports(probes, addresses)
        return Survey(addresses, attempts)


@asynccontextmanager
async def _probe(place: Place) -> AsyncIterator[_Probe]:
    mark, word = secrets.token_hex(8), secrets.token_hex(8)
    arguments = {"ports": place.ports, "word": word, "mark": mark}
    async with send_module(place.transport, place.facts.python, _SOURCE, arguments) as stream:
        candidates = candidate_addresses(place.host, place.facts)
        probe = _Probe(place, stream, mark, stream.lines(), candidates)
        ready = await probe.answer()
        # A node of this cluster that runs already has the fixed ports itself: whatever answers there will do.
        probe.words = {**dict.fromkeys(ready["ports"], word), **dict.fromkeys(ready["taken"], "")}
        yield probe


async def _choose(probes: Sequence[_Probe]) -> tuple[str, ...]:
    """Find the address of each machine at which the others get through; the likeliest is tried first."""
    answers: list[list[dict[str, str]]] = [[] for _ in probes]

    async def attempt(source: int, wanted: Sequence[tuple[int, str]]) -> None:
        targets = [(address, *next(iter(probes[target].words.items()))) for target, address in wanted]
        got: dict[int, dict[str, str]] = {}
        for (target, address), why in zip(wanted, await probes[source].attempt(targets), strict=True):
            got.setdefault(target, {})[address] = why
        for target, by_address in got.items():
            answers[target].append(by_address)

    everybody = range(len(probes))
    first = [
        [(target, probes[target].candidates[0]) for target in everybody if target != source] for source in everybody
    ]
    await on_all(attempt(source, wanted) for source, wanted in enumerate(first) if wanted)
    doubtful = [
        target
        for target in everybody
        if len(probes[target].candidates) > 1 and any(why for answer in answers[target] for why in answer.values())
    ]
    if doubtful:
        for target in doubtful:
            answers[target].clear()
        rest = [
            [(target, address) for target in doubtful if target != source for address in probes[target].candidates]
            for source in everybody
        ]
        await on_all(attempt(source, wanted) for source, wanted in enumerate(rest) if wanted)
    return tuple(choose_address(probe.candidates, answers[index]) for index, probe in enumerate(probes))


async def _try_ports(probes: Sequence[_Probe], addresses: Sequence[str]) -> Attempts:
    async def attempt(source: int) -> list[tuple[int, int, str, int, str]]:
        wanted = [
            (target, addresses[target], port, word)
            for target, probe in enumerate(probes)
            if target != source
            for port, word in probe.words.items()
        ]
        got = await probes[source].attempt([target[1:] for target in wanted])
        return [(source, *target[:3], why) for target, why in zip(wanted, got, strict=True)]

    attempts: dict[tuple[int, int], dict[tuple[str, int], str]] = {}
    for answers in await on_all(attempt(source) for source in range(len(probes))):
        for source, target, address, port, why in answers:
            attempts.setdefault((source, target), {})[address, port] = why
    return attempts
