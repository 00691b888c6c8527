"""The experiment's loop: asks the tuner, runs trials, records what happens, until there is nothing left to do."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import ray
from ray.exceptions import RayError

from ray_remote_nni.experiment.agenda import Agenda, Waiting
from ray_remote_nni.experiment.assessing import Assessing
from ray_remote_nni.experiment.attempt import Attempt, Cancelled, Lost, give_up_stranded, trial_spec, try_node
from ray_remote_nni.experiment.changes import changed
from ray_remote_nni.experiment.earlier_results import learnt_notice
from ray_remote_nni.experiment.end_notices import EndNotices
from ray_remote_nni.experiment.judges import create_judge
from ray_remote_nni.experiment.leave import take_leave
from ray_remote_nni.experiment.outcome import KILLED, Ending, judge
from ray_remote_nni.experiment.placement import Place
from ray_remote_nni.experiment.places import TrialPlaces
from ray_remote_nni.experiment.spec import ExperimentSpec, write_spec
from ray_remote_nni.experiment.suggestions import Suggests
from ray_remote_nni.experiment.time_limit import TimeLimit
from ray_remote_nni.experiment.warm_up import warm_up_workers
from ray_remote_nni.experiment.worker_watch import WorkerWatch
from ray_remote_nni.records.model import ExperimentStatus, RequestRecord
from ray_remote_nni.records.reader import RecordReader
from ray_remote_nni.records.store import RecordStore
from ray_remote_nni.trial.inbox import Inbox, inbox_name
from ray_remote_nni.trial.spec import Ended, Reported
from ray_remote_nni.trial.task import on_node
from ray_remote_nni.trial.workspace import experiment_directory
from ray_remote_nni.tuner.needs import needs_of
from ray_remote_nni.words import plural

_LOG = logging.getLogger(__name__)
_POLL_S = 0.25
_COLLECT_S = 10.0
_WATCH_S = 2.0
#: How long a tuner may think while nothing runs, until the user is told.
_THINK_S = 30.0


class ExperimentLoop:
    """Runs an experiment whose records exist; trials in them that have not ended are run first."""

    def __init__(self, spec: ExperimentSpec, store: RecordStore, records: RecordReader, suggestions: Suggests) -> None:
        self._spec = spec
        self._store = store
        self._suggestions = suggestions
        trials = records.trials()
        self._agenda = Agenda(store, suggestions, trials)
        self._time_limit = TimeLimit(spec.max_experiment_duration_s, trials)
        assessor = create_judge(spec, trials)
        self._assessing = None if assessor is None else Assessing(assessor, self._stop_early)
        self._end_notices = EndNotices(spec.experiment_id, trials, needs_of(spec.tuner))
        self._retries: dict[str, int] = {}
        self._running: dict[str, tuple[Attempt, asyncio.Task[None]]] = {}
        self._endings: dict[str, Ending] = {}
        self._stopping = False
        self._places = TrialPlaces(spec, lambda text: store.add_notice("warning", text))
        self._head_node = ray.get_runtime_context().get_node_id()
        self._inbox: Any = Inbox.options(  # type: ignore[attr-defined]
            name=inbox_name(spec.experiment_id), scheduling_strategy=on_node(self._head_node, hard=True)
        ).remote()

    async def run(self) -> ExperimentStatus:
        """Run to the end; return DONE, or STOPPED where somebody asked for that."""
        await warm_up_workers(self._spec, [node.node_id for node in self._places.usable()], self._head_node)
        self._time_limit.start()
        # What was asked for while no driver ran may be what there is to do.
        self._obey()
        beside = [self._collect(), self._listen(), self._watch(), self._suggestions.run(self._stop_early)]
        if self._assessing is not None:
            beside.append(self._assessing.run())
        self._background = [asyncio.ensure_future(work) for work in beside]
        try:
            status = await self._run()
            if not self._stopping:
                await take_leave(self._store, self._suggestions, self._assessing, politely=True)
            return status
        finally:
            for task in self._background:
                task.cancel()
            self._agenda.close()
            await take_leave(self._store, self._suggestions, self._assessing, politely=False)
            self._places.close()

    def _stop(self) -> None:
        """End all running trials, and start no more. They run again when the experiment is resumed."""
        self._stopping = True
        self._agenda.interrupt()
        for attempt, _ in self._running.values():
            attempt.cancel()

    async def _run(self) -> ExperimentStatus:
        while True:
            crowded = not await self._start_trials()
            if not self._running:
                if not crowded:
                    break
                await asyncio.sleep(_POLL_S)
                continue
            await asyncio.wait(
                [task for _, task in self._running.values()], timeout=_POLL_S, return_when="FIRST_COMPLETED"
            )
            for trial_id, (_, task) in list(self._running.items()):
                if task.done():
                    del self._running[trial_id]
                    task.result()
            for task in self._background:
                if task.done():
                    task.result()
        return "STOPPED" if self._stopping else "DONE"

    async def _collect(self) -> None:
        """Record what running trials report, as it comes."""
        while True:
            try:
                posts = await self._inbox.collect.remote(_COLLECT_S)
            except RayError:
                # Ray restarts it; what was in it comes with the trials' ends.
                _LOG.warning("the inbox was lost", exc_info=True)
                await asyncio.sleep(1)
                continue
            for post in posts:
                attempt, _ = self._running.get(post.trial_id, (None, None))
                if attempt is not None and attempt.trial.attempt == post.attempt:
                    attempt.take(post.start, post.events, self._store)
                    self._suggestions.take(post.trial_id, attempt.metrics)
                    if self._assessing is not None:
                        self._assessing.take(post.trial_id, attempt.metrics)

    async def _watch(self) -> None:
        """Look after what may take for ever: a tuner's thinking, and trials of nodes that Ray has given up."""
        told, workers = False, WorkerWatch(try_node)
        while True:
            await asyncio.sleep(_WATCH_S)
            running = self._running.values()
            give_up_stranded([attempt for attempt, _ in running], self._places.lives, workers)
            if self._time_limit.reached:
                self._agenda.interrupt()
            elif not told and self._agenda.thinking_s > _THINK_S and all(task.done() for _, task in running):
                self._store.add_notice("warning", "nothing runs: the tuner has been thinking for half a minute")
                told = True

    async def _listen(self) -> None:
        """Do what clients ask for, as it comes."""
        while True:
            self._obey()
            await asyncio.sleep(_POLL_S)

    def _obey(self) -> None:
        for request in self._store.pending_requests():
            _LOG.info("request: %s %s", request.kind, request.trial_id or "")
            # In one commit: a trial that is set by hand must not be set again by the next driver.
            with self._store.together():
                self._do(request)
                self._store.finish_request(request.id)

    def _do(self, request: RequestRecord) -> None:
        match request.kind:
            case "stop":
                self._stop()
            case "kill":
                assert request.trial_id is not None
                self._kill(request.trial_id)
            case "update":
                self._change(request.payload)
            case "trial":
                self._agenda.set_by_hand(request.payload)
            case "import":
                self._suggestions.learn(request.payload)
                self._store.add_notice("info", learnt_notice(self._spec, request.payload))

    def _change(self, changes: Mapping[str, Any]) -> None:
        """Go on with another limit or search space, and have whoever resumes the experiment do so too."""
        spec = self._spec = changed(self._spec, changes)
        self._store.change_experiment(
            config=spec.config,
            search_space=spec.search_space,
            max_trial_number=spec.max_trial_number,
            trial_concurrency=spec.trial_concurrency,
        )
        write_spec(experiment_directory(spec.experiment_id), spec.to_json())
        self._time_limit.limit_s = spec.max_experiment_duration_s
        if "searchSpace" in changes:
            self._suggestions.renew(spec)
            self._agenda.reopen()

    def _kill(self, trial_id: str) -> None:
        waiting = self._agenda.remove(trial_id)
        if waiting is not None:
            self._end_ourselves(trial_id, waiting.attempt, KILLED)
        elif trial_id in self._running:
            self._end_running(trial_id, KILLED)

    def _stop_early(self, trial_id: str, why: str) -> None:
        """End a trial that assessor or advisor found bad, unless it has ended meanwhile, or is being ended."""
        if trial_id in self._running and trial_id not in self._endings:
            self._end_running(trial_id, Ending("EARLY_STOPPED", "assessed", why))

    def _end_running(self, trial_id: str, ending: Ending) -> None:
        self._endings[trial_id] = ending
        self._running[trial_id][0].cancel()

    def _end_ourselves(self, trial_id: str, attempt: int, ending: Ending, metrics: Sequence[Reported] = ()) -> None:
        """Record and tell the end of a trial that we ended, or never started."""
        self._store.finish(trial_id, attempt, ending.status, outcome=ending.outcome, error=ending.error)
        self._tell(trial_id, None, metrics, succeeded=False)

    def _tell(self, trial_id: str, value: float | None, metrics: Sequence[Reported], *, succeeded: bool) -> None:
        """Tell tuner and assessor of an end that is recorded."""
        self._agenda.ended(trial_id, value, metrics, succeeded=succeeded)
        if self._assessing is not None:
            self._assessing.ended(trial_id, metrics, succeeded=succeeded)

    async def _start_trials(self) -> bool:
        """Start what may run now; return False where a trial waits for a place."""
        while len(self._running) < self._spec.trial_concurrency and not self._stopping:
            if self._time_limit.reached or self._agenda.is_empty(self._spec.max_trial_number):
                return True
            # Before the tuner is asked: until there is a place, it may learn more.
            place = self._places.take()
            if place is None:
                return False
            trial = await self._agenda.next(alone=not self._running)
            if trial is None:
                self._places.release(place)
                return True
            self._start(trial, place)
        return True

    def _start(self, waiting: Waiting, place: Place) -> None:
        attempt = Attempt(trial_spec(self._spec, waiting, place), place)
        attempt.submit(self._spec, self._head_node)
        task = asyncio.ensure_future(self._follow(attempt))
        self._running[waiting.trial_id] = (attempt, task)

    async def _follow(self, attempt: Attempt) -> None:
        place = attempt.place
        try:
            end = await attempt.end()
        finally:
            self._places.release(place)
        trial = attempt.trial
        match end:
            case Ended():
                self._finish(attempt, end)
            case Cancelled() if trial.trial_id in self._endings:
                self._end_ourselves(trial.trial_id, trial.attempt, self._endings.pop(trial.trial_id), attempt.metrics)
            case Cancelled():
                self._store.requeue_trial(trial.trial_id, "stopped", "the experiment was stopped")
            case Lost():
                self._places.failed(place)
                self._retry(attempt, end)

    def _finish(self, attempt: Attempt, ended: Ended) -> None:
        trial, started = attempt.trial, attempt.started
        outcome = judge(ended, attempt.metrics)
        place: dict[str, Any] = {}
        if started is not None and not attempt.started_committed:
            place = {"machine": started.machine, "gpu_indices": started.gpu_indices, "start_time": started.time}
        self._store.finish(
            trial.trial_id,
            trial.attempt,
            outcome.status,
            **place,
            metrics=attempt.uncommitted(),
            value=outcome.value,
            metric=outcome.metric,
            end_time=ended.time,
            exit_code=ended.exit_code,
            outcome=ended.reason or "ended",
            error=outcome.error,
            notices=self._end_notices.of(trial, started, ended.exit_code, outcome),
        )
        self._tell(trial.trial_id, outcome.value, attempt.metrics, succeeded=outcome.status == "SUCCEEDED")

    def _retry(self, attempt: Attempt, lost: Lost) -> None:
        """Run a trial again whose machine was lost, with the same parameters, unless that happened too often."""
        trial = attempt.trial
        _LOG.warning("trial %s was lost with %s: %s", trial.trial_id, lost.machine, lost.error)
        retries = self._retries.get(trial.trial_id, 0)
        if retries >= self._spec.max_trial_retries:
            error = f"lost {plural(retries + 1, 'time')}, the last time with {lost.machine}: {lost.error}"
            self._store.finish(trial.trial_id, trial.attempt, "FAILED", outcome="lost", error=error)
            self._tell(trial.trial_id, None, attempt.metrics, succeeded=False)
            return
        self._suggestions.forget(trial.trial_id)
        if self._assessing is not None:
            self._assessing.forget(trial.trial_id)
        self._retries[trial.trial_id] = retries + 1
        number = self._store.requeue_trial(trial.trial_id, "lost", f"lost with {lost.machine}: {lost.error}")
        self._store.add_notice("warning", f"lost with {lost.machine} ({lost.error}); it runs again", trial.trial_id)
        if number is not None:
            self._agenda.add(Waiting(trial.trial_id, trial.sequence, number, trial.parameters))
