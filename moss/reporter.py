"""Telling a person, or a program, what is going on while it goes on."""

from collections.abc import Sequence
from typing import Protocol


class Reporter(Protocol):
    """Where progress and warnings go: a terminal, JSON lines, or nowhere."""

    def stage(self, text: str) -> None:
        """A new step has begun: `unpacking 12 packages`."""

    def progress(self, done: int, total: int, unit: str) -> None:
        """How far the step is; `unit` is `bytes` or a plural noun."""

    def warning(self, text: str) -> None:
        """Something the person should know, and that stops nothing."""

    def many_warnings(self, each: Sequence[str], together: str) -> None:
        """More warnings of a kind than a person reads; `together` says them in one."""


class Silence:
    """Reports nothing."""

    def stage(self, text: str) -> None:
        pass

    def progress(self, done: int, total: int, unit: str) -> None:
        pass

    def warning(self, text: str) -> None:
        pass

    def many_warnings(self, each: Sequence[str], together: str) -> None:
        pass
