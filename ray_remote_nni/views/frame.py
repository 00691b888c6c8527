"""One frame of the live table: what an experiment looks like at a moment, in as many lines as there are."""

from __future__ import annotations

from rich.console import Console, Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ray_remote_nni.records import TrialRecord
from ray_remote_nni.records.shapes import machine_of
from ray_remote_nni.views.format import clean, number, one_line, parameters_line, place, whole_duration
from ray_remote_nni.views.snapshot import Snapshot, elapsed_s, trial_title
from ray_remote_nni.views.states import counts_text, experiment_status_text
from ray_remote_nni.words import plural

#: The best trial's parameters take so many lines at most.
BEST_LINES = 3
LABEL_WIDTH = 12

#: Windows this wide have room for where a trial runs, and for its parameters.
MACHINES_WIDTH = 55
PARAMETERS_WIDTH = 70


def frame(
    snapshot: Snapshot, now: float, console: Console, dashboard: str | None = None, note: str | None = None
) -> RenderableType:
    """Draw a snapshot for the console's present size; `now` is the time on the clock that the records are kept by."""
    best = _best(snapshot, console)
    parts: list[RenderableType] = [_heading(snapshot, now)]
    if dashboard is not None:
        parts.append(_labelled("Dashboard", Text(dashboard, no_wrap=True, overflow="ellipsis")))
    parts += [
        _labelled("Trials", counts_text(snapshot.counts, over=snapshot.experiment.ended)),
        _labelled("Best", best),
        _progress(snapshot),
    ]
    if note is not None:
        parts.append(Text(one_line(note), style="yellow", no_wrap=True, overflow="ellipsis"))
    # Two more lines: an empty one and the table's heading. One stays free, or the terminal would scroll.
    room = console.size.height - len(console.render_lines(Group(*parts))) - 3
    if snapshot.running and room > 0:
        parts += ["", _running(snapshot.running, now, room, console.size.width)]
    return Group(*parts)


def _heading(snapshot: Snapshot, now: float) -> RenderableType:
    experiment = snapshot.experiment
    title = Text(experiment.id, style="bold", no_wrap=True, overflow="ellipsis")
    if experiment.name:
        title.append(f" {one_line(experiment.name)}", style="not bold")
    state = Text("  ").append_text(experiment_status_text(experiment.status))
    state.append(f"  {whole_duration(elapsed_s(snapshot, now))}", style="not bold default")
    grid = Table.grid(expand=True)
    grid.add_column(width=LABEL_WIDTH)
    grid.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    grid.add_column(justify="right", no_wrap=True)
    grid.add_row(Text("Experiment", style="dim"), title, state)
    return grid


def _labelled(label: str, text: Text) -> RenderableType:
    grid = Table.grid(expand=True)
    grid.add_column(width=LABEL_WIDTH)
    grid.add_column(ratio=1)
    grid.add_row(Text(label, style="dim"), text)
    return grid


def _best(snapshot: Snapshot, console: Console) -> Text:
    trial = snapshot.best
    if trial is None:
        return Text("none yet", style="dim")
    text = Text(number(trial.value), style="bold green")
    text.append(f"  {trial_title(trial)}  {parameters_line(trial.parameters)}", style="not bold default")
    lines = _wrapped(text, console)
    if len(lines) > BEST_LINES:
        last = lines[BEST_LINES - 1] + Text(" …")
        last.truncate(_best_width(console), overflow="ellipsis")
        text = Text("\n").join([*lines[: BEST_LINES - 1], last])
    return text


def _wrapped(text: Text, console: Console) -> list[Text]:
    return list(text.wrap(console, _best_width(console)))


def _best_width(console: Console) -> int:
    return max(1, console.size.width - LABEL_WIDTH)


def _progress(snapshot: Snapshot) -> RenderableType:
    total = snapshot.experiment.max_trial_number
    if total is None:
        return _labelled("", Text(f"{plural(snapshot.ended, 'trial')} ended, no limit", style="dim"))
    grid = Table.grid(expand=True, padding=(0, 1))
    grid.add_column(ratio=1)
    grid.add_column(no_wrap=True)
    bar = ProgressBar(total=max(1, total), completed=snapshot.ended)
    grid.add_row(bar, Text(snapshot.progress))
    return grid


def _running(trials: tuple[TrialRecord, ...], now: float, room: int, width: int) -> RenderableType:
    # The oldest come first: they are the ones to wonder about.
    shown = trials if len(trials) <= room else trials[: room - 1]
    # What a narrow window has no room for is left out whole, rather than shown as dots.
    machines, parameters = width >= MACHINES_WIDTH, width >= PARAMETERS_WIDTH
    gpus = machines and any(trial.gpu_indices for trial in shown)
    table = Table(box=None, pad_edge=False, expand=parameters, header_style="dim")
    table.add_column("#", justify="right", no_wrap=True)
    table.add_column("trial", no_wrap=True, overflow="ellipsis", max_width=12)
    if machines:
        table.add_column("machine", no_wrap=True, overflow="ellipsis", max_width=width // 4)
    if gpus:
        table.add_column("GPU", no_wrap=True, overflow="ellipsis", max_width=12)
    table.add_column("time", justify="right", no_wrap=True)
    table.add_column("last result", justify="right", no_wrap=True, overflow="ellipsis", max_width=14)
    if parameters:
        table.add_column("parameters", ratio=1, no_wrap=True, overflow="ellipsis")
    for trial in shown:
        cells = [str(trial.sequence), clean(trial.trial_id)]
        if machines:
            cells.append(clean(place(*machine_of(trial))))
        if gpus:
            cells.append(",".join(map(str, trial.gpu_indices or ())) or "–")
        cells.append("starting" if trial.start_time is None else whole_duration(now - trial.start_time))
        cells.append(number(trial.intermediate[-1] if trial.intermediate else None))
        if parameters:
            cells.append(parameters_line(trial.parameters))
        table.add_row(*map(Text, cells))
    if len(shown) == len(trials):
        return table
    return Group(table, Text(f"and {len(trials) - len(shown)} more running", style="dim"))
