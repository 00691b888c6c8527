"""The contract of a tuner as tests: inherit, say how the tuner is made, and pytest runs them.

class TestMine(TunerContract):
    def create(self, space, optimize_mode="minimize", seed=0):
        return MyTuner(space, optimize_mode, seed)
"""

from __future__ import annotations

import json
import math
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import pytest

from ray_remote_nni.testing.spaces import SPACES, Space, assert_legal
from ray_remote_nni.tuner import NoMoreTrials, NotYet, Tuner

_Asked = list[tuple[str, dict[str, Any]]]
# What happened, in order: "ask" or "end", the trial, its parameters.
_History = list[tuple[str, str, dict[str, Any]]]


def score(parameters: Any) -> float:
    """Some deterministic value of any parameters."""
    return float(sum(json.dumps(parameters).encode()) % 101)


class TunerContract:
    """What every tuner must do; the attributes say what may differ."""

    #: Names of `testing.spaces.SPACES` that the tuner takes; it must refuse the others.
    supported: ClassVar[Sequence[str]] = tuple(SPACES)
    #: What it raises for a space that it does not take.
    refusal: ClassVar[type[Exception]] = ValueError
    #: The space of the tests that do not care for types.
    space: ClassVar[Space] = SPACES["uniform"]
    #: A space that is used up after `finite_size` trials; None where the tuner goes on for ever.
    finite: ClassVar[Space | None] = {"x": SPACES["numeric choice"]["y"]}
    finite_size: ClassVar[int] = 30
    #: Whether the seed has any influence.
    random: ClassVar[bool] = True
    #: Names that it adds to the parameters.
    extra: ClassVar[frozenset[str]] = frozenset()
    #: How many trials a test runs: enough that the tuner has left its start behind.
    trials: ClassVar[int] = 30

    def create(self, space: Space, optimize_mode: str = "minimize", seed: int = 0) -> Tuner:
        """Return a new tuner."""
        raise NotImplementedError

    @pytest.mark.parametrize("name", SPACES)
    def test_suggestions_are_points_of_a_supported_space_and_others_are_refused(self, name: str) -> None:
        space = SPACES[name]
        if name not in self.supported:
            with pytest.raises(self.refusal):
                self.create(space)
            return
        for _, parameters in _run(self.create(space), self.trials, at_once=2):
            assert_legal(space, parameters, self.extra)

    @pytest.mark.parametrize("at_once", [1, 5])
    def test_the_same_seed_gives_the_same_trials(self, at_once: int) -> None:
        first = _run(self.create(self.space, seed=5), self.trials, at_once)
        assert _run(self.create(self.space, seed=5), self.trials, at_once) == first
        assert (_run(self.create(self.space, seed=6), self.trials, at_once) != first) == self.random

    def test_a_tuner_that_was_replayed_goes_on_like_the_first(self) -> None:
        first = self.create(self.space, seed=3)
        history: _History = []
        asked = _run(first, self.trials - 5, at_once=4, history=history)
        second = self.create(self.space, seed=3)
        running: _Asked = []
        for what, trial, parameters in history:
            if what == "ask":
                second.restore(trial, json.loads(json.dumps(parameters)))
                running.append((trial, parameters))
            else:
                _end(second, trial, parameters)
                running.remove((trial, parameters))
        later = [_run(tuner, 5, at_once=4, first=len(asked), running=running) for tuner in (first, second)]
        assert later[0] == later[1]

    def test_many_trials_can_be_asked_for_before_any_ends(self) -> None:
        tuner = self.create(self.space)
        asked = []
        for number in range(self.trials):
            try:
                asked.append((str(number), tuner.ask(str(number))))
            except NotYet:
                assert asked, "a tuner must not wait for the end of a trial while none is running"
                break
        for trial, parameters in asked:
            _end(tuner, trial, parameters)
        assert_legal(self.space, tuner.ask("one more"), self.extra)

    def test_it_goes_on_when_every_trial_fails(self) -> None:
        tuner = self.create(self.space)
        for number in range(self.trials):
            assert_legal(self.space, tuner.ask(str(number)), self.extra)
            tuner.fail(str(number))

    @pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
    def test_it_goes_on_when_values_are_no_finite_numbers(self, bad: float) -> None:
        tuner = self.create(self.space)
        for number in range(self.trials):
            parameters = tuner.ask(str(number))
            assert_legal(self.space, parameters, self.extra)
            tuner.tell(str(number), score(parameters) if number % 3 else bad)

    def test_maximize_is_minimize_of_the_negative_value(self) -> None:
        down, up = self.create(self.space, "minimize"), self.create(self.space, "maximize")
        for number in range(self.trials):
            parameters = down.ask(str(number))
            assert up.ask(str(number)) == parameters
            down.tell(str(number), score(parameters))
            up.tell(str(number), -score(parameters))

    def test_a_finite_space_is_gone_through_without_a_repeat_and_then_ends(self) -> None:
        if self.finite is None:
            # Then it must go on for as long as anybody likes.
            assert len(_run(self.create(self.space), 3 * self.trials, at_once=3)) == 3 * self.trials
            return
        tuner = self.create(self.finite)
        asked = _run(tuner, self.finite_size, at_once=3)
        assert len({json.dumps(parameters) for _, parameters in asked}) == self.finite_size
        for _ in range(2):
            with pytest.raises(NoMoreTrials):
                tuner.ask("one more")
        tuner.tell(asked[-1][0], 1.0)  # running trials still count

    def test_what_is_returned_is_the_callers_to_change(self) -> None:
        tuner, other = self.create(self.space), self.create(self.space)
        for number in range(self.trials):
            mine, untouched = tuner.ask(str(number)), other.ask(str(number))
            assert mine == untouched
            value = score(untouched)
            mine.clear()
            for each in (tuner, other):
                each.tell(str(number), value)

    def test_parameters_of_another_space_are_taken(self) -> None:
        tuner = self.create(self.space)
        tuner.restore("a", {"no such name": 3})
        tuner.restore("b", {})
        tuner.tell("a", -100.0)
        tuner.fail("b")
        assert_legal(self.space, tuner.ask("next"), self.extra)

    def test_the_ends_of_trials_that_do_not_run_are_refused(self) -> None:
        tuner = self.create(self.space)
        with pytest.raises(ValueError, match="not running"):
            tuner.tell("a", 1.0)
        tuner.ask("a")
        tuner.fail("a")
        with pytest.raises(ValueError, match="not running"):
            tuner.fail("a")

    def test_an_id_can_run_only_once_at_a_time(self) -> None:
        tuner = self.create(self.space)
        parameters = tuner.ask("a")
        with pytest.raises(ValueError, match="running already"):
            tuner.ask("a")
        with pytest.raises(ValueError, match="running already"):
            tuner.restore("a", parameters)

    def test_threads_can_ask_and_tell_at_once(self) -> None:
        tuner = self.create(self.space)
        errors: list[BaseException] = []

        def work(worker: int) -> None:
            try:
                for number in range(self.trials // 4):
                    trial = f"{worker}-{number}"
                    try:
                        tuner.tell(trial, score(tuner.ask(trial)))
                    except NotYet:
                        pass
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=work, args=(worker,)) for worker in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []


def _run(
    tuner: Tuner,
    trials: int,
    at_once: int,
    first: int = 0,
    history: _History | None = None,
    running: _Asked = (),  # type: ignore[assignment]
) -> _Asked:
    """Ask for trials and end them in order, some as failures, `at_once` running at a time.

    A tuner that has to wait gets the end of the oldest trial; what happens goes into `history`.
    """
    waiting = deque(running)
    asked: _Asked = []

    def end_one() -> None:
        oldest = waiting.popleft()
        _end(tuner, *oldest)
        if history is not None:
            history.append(("end", *oldest))

    for trial in _names(first, trials):
        while len(waiting) >= at_once:
            end_one()
        while True:
            try:
                parameters = tuner.ask(trial)
                break
            except NotYet:
                assert waiting, "a tuner must not wait for the end of a trial while none is running"
                end_one()
        asked.append((trial, parameters))
        waiting.append((trial, parameters))
        if history is not None:
            history.append(("ask", trial, parameters))
    return asked


def _names(first: int, count: int) -> Iterator[str]:
    return (f"t{first + number}" for number in range(count))


def _end(tuner: Tuner, trial: str, parameters: dict[str, Any]) -> None:
    if trial.endswith(("3", "7")):
        tuner.fail(trial)
    else:
        tuner.tell(trial, score(parameters))
