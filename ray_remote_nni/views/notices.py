"""Notices as people read them: when, how bad, which trial, what."""

from __future__ import annotations

import time

from rich.console import Group, RenderableType
from rich.text import Text

from ray_remote_nni.records import NoticeRecord
from ray_remote_nni.views.format import clean
from ray_remote_nni.views.layout import Rows, unbroken

STYLES = {"info": "cyan", "warning": "yellow", "error": "bold red"}


def notice_block(notice: NoticeRecord, whole: bool = True) -> RenderableType:
    """Return a notice for a terminal, its first line wrapped beside its time; unless `whole`, with the last one.

    Further lines are a program's, and stay as they are: marks in a traceback point at what stands above them.
    """
    first, *rest = _text(notice, whole).split("\n")
    said = Rows([(Text(_time(notice), style="dim"), first)], gap=1)
    return Group(said, *(unbroken(line.plain) for line in rest))


def notice_line(notice: NoticeRecord, whole: bool = True) -> Text:
    """Return a notice for a file: no line is broken that was not."""
    text = Text(f"{_time(notice)} ")
    text.append_text(_text(notice, whole))
    return text


def _time(notice: NoticeRecord) -> str:
    # The reader's local time: it stands beside the clock on their wall.
    return time.strftime("%H:%M:%S", time.localtime(notice.time))


def _text(notice: NoticeRecord, whole: bool) -> Text:
    said = clean(notice.text).strip()
    if notice.trial_id is not None and notice.trial_id not in said:
        said = f"trial {notice.trial_id}: {said}"
    first, _, rest = said.partition("\n")
    if rest and not whole:
        # Of what a program said, the last line has the cause, most of all in Python.
        said = f"{first} … {rest.splitlines()[-1].strip()}"
    return Text.assemble((f"{notice.level}: ", STYLES.get(notice.level, "bold")), said)
