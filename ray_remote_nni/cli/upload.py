"""The progress bar of an upload, on a terminal and where it takes long enough to be seen."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from ray_remote_nni.experiment.upload import Sent
from ray_remote_nni.words import plural


class UploadBar:
    """Shows bytes and files of an upload on `console`; a large one that is done leaves a line."""

    #: What is worth a line where no bar was seen.
    NOTEWORTHY_BYTES = 10 * 2**20

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar: Progress | None = None
        self._broken_off = False

    def __enter__(self) -> UploadBar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def broken_off(self) -> bool:
        """Whether some was sent, and not all."""
        return self._broken_off

    def show(self, sent: Sent) -> None:
        """Show how far it is."""
        done = sent.files == sent.all_files
        self._broken_off = not done
        if self._bar is None and not done and self._console.is_terminal:
            self._bar = Progress(
                TextColumn("sending the code"),
                BarColumn(),
                DownloadColumn(),
                TextColumn("{task.fields[files]}"),
                TransferSpeedColumn(),
                console=self._console,
                transient=True,
            )
            self._bar.start()
            self._bar.add_task("", total=sent.all_bytes, files="")
        if self._bar is not None:
            files = f"{sent.files}/{plural(sent.all_files, 'file')}"
            self._bar.update(self._bar.task_ids[0], completed=sent.bytes, files=files)
        if done:
            self.close()
            if sent.all_bytes >= self.NOTEWORTHY_BYTES:
                files = plural(sent.all_files, "file")
                self._console.print(f"Sent {files} of the code, {sent.all_bytes / 1e6:.0f} MB", highlight=False)

    def close(self) -> None:
        """Remove the bar from the screen, where it is."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
