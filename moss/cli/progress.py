"""Progress while it goes on: a bar on a terminal, lines in a log, JSON events for a program.

The bar is drawn here and not by rich: that takes 90 ms to import, and nothing may be imported once
/usr has been exchanged, when the next stage begins.
"""

import json
import time
from collections.abc import Callable
from typing import Protocol, TextIO

from moss.cli.text import duration, plain, shortened, size, width_of

_BAR_COLUMNS = 24
_FEWEST_BAR_COLUMNS = 6
_SECONDS_BETWEEN_DRAWINGS = 0.1
_QUIET_SECONDS = 0.3
"""What is over sooner than this is not worth a flicker."""


class Display(Protocol):
    """Where stages and their progress are shown."""

    def stage(self, text: str) -> None: ...

    def progress(self, done: int, total: int, unit: str) -> None: ...

    def clear(self) -> None:
        """Make room for other text."""


class Nothing:
    """Shows nothing: output is no terminal, or progress is not wanted."""

    def stage(self, text: str) -> None:
        pass

    def progress(self, done: int, total: int, unit: str) -> None:
        pass

    def clear(self) -> None:
        pass


class Lines:
    """One line a stage, for logs (`-v` without a terminal)."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def stage(self, text: str) -> None:
        self._stream.write(f"{plain(text)}\n")
        self._stream.flush()

    def progress(self, done: int, total: int, unit: str) -> None:
        pass

    def clear(self) -> None:
        pass


class Events:
    """One JSON object a line, as schema/json/progress-event.schema.json says."""

    def __init__(self, stream: TextIO) -> None:
        self._stream: TextIO | None = stream

    def stage(self, text: str) -> None:
        self._emit({"event": "stage", "text": text})

    def progress(self, done: int, total: int, unit: str) -> None:
        self._emit({"event": "progress", "done": done, "total": total, "unit": unit})

    def clear(self) -> None:
        pass

    def _emit(self, event: dict[str, object]) -> None:
        if self._stream is None:
            return
        try:
            self._stream.write(json.dumps(event) + "\n")
            self._stream.flush()
        except OSError:  # nobody listens any more; that stops no transaction
            self._stream = None


class Bar:
    """A bar with amount, rate and time left, redrawn in place."""

    def __init__(
        self, stream: TextIO, columns: Callable[[], int], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stream = stream
        self._columns = columns
        self._clock = clock
        self._text = ""
        self._began = clock()
        self._drawn: float | None = None
        self._there: int | None = None
        """What was there before anything was done, as the first report of a stage has it: no part of its rate."""

    def stage(self, text: str) -> None:
        self.clear()
        self._text = plain(text)
        self._began = self._clock()
        self._there = None

    def progress(self, done: int, total: int, unit: str) -> None:
        now = self._clock()
        if self._there is None:
            self._there = done if unit == "bytes" and now - self._began < _QUIET_SECONDS else 0
        if now - self._began < _QUIET_SECONDS:
            return
        if self._drawn is not None and now - self._drawn < _SECONDS_BETWEEN_DRAWINGS and done < total:
            return
        columns = self._columns() - 1
        line = bar_line(self._text, done, total, unit, now - self._began, self._there, columns)
        self._write("\r\x1b[K" + shortened(line, columns))
        self._drawn = now

    def clear(self) -> None:
        if self._drawn is not None:
            self._write("\r\x1b[K")
            self._drawn = None

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def bar_line(
    text: str, done: int, total: int, unit: str, seconds: float, there: int = 0, columns: int = 120
) -> str:
    """`unpacking 12 packages  ━━━━━━──────  41.2 of 90.1 MiB  12.0 MiB/s  4 s left`; `there` took no time. Where the
    columns are few, the bar is shorter."""
    made = max(done - there, 0)
    share = min(done / total, 1.0) if total else 1.0
    parts = [text]
    if unit == "bytes":
        parts.append(f"{size(done)} of {size(total)}")
        parts.append(f"{size(int(made / seconds))}/s" if seconds else "")
    else:
        parts.append(f"{done} of {total} {unit}")
    if made and done < total:
        parts.append(f"{duration(max(round(seconds * (total - done) / made), 1))} left")
    parts = [part for part in parts if part]
    room = columns - width_of("  ".join(parts)) - 2
    length = min(_BAR_COLUMNS, max(_FEWEST_BAR_COLUMNS, room))
    filled = round(share * length)
    return "  ".join([parts[0], "━" * filled + "─" * (length - filled), *parts[1:]])
