"""The live view of a running experiment: a table that redraws itself, or plain lines where no terminal is."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from ray_remote_nni.records import RecordReader
from ray_remote_nni.views.format import number, parameters_line, whole_duration
from ray_remote_nni.views.frame import frame
from ray_remote_nni.views.layout import Prose
from ray_remote_nni.views.notices import notice_block, notice_line
from ray_remote_nni.views.snapshot import Snapshot, elapsed_s, take_snapshot, trial_title
from ray_remote_nni.views.states import counts_text
from ray_remote_nni.words import plural

#: Without a terminal, a line about progress at most this often.
PLAIN_LINE_S = 10.0

#: To whoever attaches late, so many of the earlier notices are shown.
EARLIER_NOTICES = 5

#: So many notices are shown whole, with the lines of stderr that they may bring; later ones by their first line.
WHOLE_NOTICES = 10

#: So much of a trial's parameters is in a line of a file: a tuner of one's own may make kilobytes of them.
_LONGEST = 400


class LiveView:
    """Shows snapshots as they come, on `console`, which is stderr's: stdout carries results only.

    Notices scroll by above the table and stay; the table itself is gone at the end. `clock` tells the time of the
    machine that writes the records.
    """

    def __init__(self, console: Console, dashboard: str | None = None, clock: Callable[[], float] = time.time) -> None:
        self._console = console
        self._dashboard = dashboard
        self._clock = clock
        self._snapshot: Snapshot | None = None
        self._note: str | None = None
        self._last_notice = 0
        self._notices = 0
        self._line = ""
        self._line_time = -PLAIN_LINE_S
        self._live: Live | None = None
        if console.is_terminal and not console.is_dumb_terminal:
            self._live = Live(
                console=console,
                get_renderable=self._frame,
                refresh_per_second=2,
                transient=True,
                redirect_stdout=False,
            )

    def __enter__(self) -> LiveView:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()
        elif self._snapshot is not None:
            self._say_progress(self._snapshot)

    def update(self, reader: RecordReader) -> None:
        """Read what is new and show it."""
        self.show(take_snapshot(reader, since=self._last_notice))

    def show(self, snapshot: Snapshot) -> None:
        """Show a snapshot, and those of its notices that were not shown yet."""
        first = self._snapshot is None
        self._snapshot = snapshot
        if self._live is None and first:
            where = "" if self._dashboard is None else f", dashboard at {self._dashboard}"
            self.say(f"Experiment {snapshot.experiment.id} is {snapshot.experiment.status}{where}")
        self._show_notices(snapshot, first)
        if self._live is not None:
            self._live.refresh()
        elif time.monotonic() - self._line_time >= PLAIN_LINE_S:
            self._say_progress(snapshot)

    def note(self, text: str | None) -> None:
        """Show a passing state of the client itself, "connecting again …", until the next note or None."""
        if text == self._note:
            return
        self._note = text
        if self._live is not None:
            self._live.refresh()
        elif text is not None:
            self.say(text)

    def say(self, text: RenderableType) -> None:
        """Print something above the table, to stay."""
        # Without a terminal a line stays one line, however long: something reads it.
        if self._live is None:
            self._console.print(text, markup=False, emoji=False, highlight=False, soft_wrap=True)
        else:
            said = Prose(Text(text)) if isinstance(text, str) else text
            self._console.print(said, markup=False, emoji=False, highlight=False, crop=False)

    def _frame(self) -> RenderableType:
        if self._snapshot is None:
            return Text(self._note or "Waiting for the experiment to start …", style="dim")
        return frame(self._snapshot, self._clock(), self._console, self._dashboard, self._note)

    def _show_notices(self, snapshot: Snapshot, first: bool) -> None:
        fresh = [notice for notice in snapshot.notices if notice.number > self._last_notice]
        if first and len(fresh) > EARLIER_NOTICES:
            earlier = len(fresh) - EARLIER_NOTICES
            self.say(f"{plural(earlier, 'earlier notice')}: ray-nni show {snapshot.experiment.id}")
            fresh = fresh[earlier:]
        for notice in fresh:
            self._notices += 1
            self._last_notice = notice.number
            shape = notice_line if self._live is None else notice_block
            self.say(shape(notice, whole=self._notices <= WHOLE_NOTICES))

    def _say_progress(self, snapshot: Snapshot) -> None:
        line = _progress_line(snapshot)
        if line != self._line:
            self.say(f"{whole_duration(elapsed_s(snapshot, self._clock()))}: {line}")
            self._line, self._line_time = line, time.monotonic()


def _progress_line(snapshot: Snapshot) -> str:
    line = "no trial has started" + (" yet" if snapshot.experiment.status == "RUNNING" else "")
    if any(snapshot.counts.values()):
        line = f"{snapshot.progress} ended; {counts_text(snapshot.counts, over=snapshot.experiment.ended)}"
    if snapshot.best is not None:
        line += f"; best {number(snapshot.best.value)}, {trial_title(snapshot.best)}"
        if parameters := parameters_line(snapshot.best.parameters):
            line += f": {parameters}" if len(parameters) <= _LONGEST else f": {parameters[:_LONGEST]} …"
    return line if snapshot.experiment.status == "RUNNING" else f"{snapshot.experiment.status}; {line}"
