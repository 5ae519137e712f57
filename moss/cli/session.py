"""One run of a command: its settings, its streams, and how it asks, warns and answers."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from moss.cli import envelope
from moss.cli.faults import Declined, error_text
from moss.cli.progress import Bar, Display, Events, Lines, Nothing
from moss.cli.remedies import at
from moss.cli.settings import Colour, Settings
from moss.cli.streams import columns, is_terminal, standard_error, standard_input, standard_output, write
from moss.cli.text import Page, plain, wrapped
from moss.errors import Interrupted, MossError, NeedsConfirmation, UsageError
from solver.values import value

if TYPE_CHECKING:
    from moss.facts import Fact
    from moss.operations.system import System


@value
class Answer:
    """What a command has to say, once: as text for a person or as data for a program."""

    text: Callable[[Page], str]
    data: Callable[[], object]
    exit_code: int = 0
    afterwards: Callable[[], None] | None = None
    """What is done once this has been said, and nobody waits for."""


class Session:
    """Standard output gets the answer; standard error gets progress, questions and warnings.

    `typed` is the whole command line, for naming a command that would work.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        typed: tuple[str, ...] = (),
        stdin: TextIO | None = None,
        stdout: TextIO | None = None,
        stderr: TextIO | None = None,
    ) -> None:
        self.settings = settings
        self.warnings: list[str] = []
        self._typed = typed
        self._said_facts: tuple[Fact, ...] | None = None
        self._in = stdin or standard_input()
        self._out = stdout or standard_output()
        self._err = stderr or standard_error()
        self._display = self._chosen_display()
        self._what_interruption_left: Callable[[], str] = lambda: "nothing was changed"

    # What a reporter does: see moss.reporter.

    def stage(self, text: str) -> None:
        self._display.stage(text)

    def progress(self, done: int, total: int, unit: str) -> None:
        self._display.progress(done, total, unit)

    def warning(self, text: str) -> None:
        """Collected for the answer; a person reads it at once. Said once, however often it is true."""
        text = at(self.said_directory, text)
        if text in self.warnings:
            return
        self.warnings.append(text)
        if not self.settings.json:
            self._display.clear()
            self._write_warning(text)

    def many_warnings(self, each: Sequence[str], together: str) -> None:
        """A program gets each, and so does a person who said --verbose."""
        for text in each if self.settings.json or self.settings.verbose else (together,):
            self.warning(text)

    def late_warning(self, text: str) -> None:
        """Of what was found after the answer was given: nobody's data, so always on standard error."""
        self._display.clear()
        self._write_warning(at(self.said_directory, text))

    # What a command does.

    @contextmanager
    def reading(self) -> "Iterator[System]":
        """The system, open to look at."""
        from moss.operations.system import open_to_read  # makers' commands have no system

        with open_to_read(self.settings.directory, self, facts=self.said_facts) as system:
            if system.booted is not None:
                from moss.operations.fall_back import told  # once, after a boot into another generation

                self.warning(told(system))
            yield system

    @property
    def said_facts(self) -> "tuple[Fact, ...] | None":
        """What `--facts` says of the machine; None where it was not given."""
        path = self.settings.facts_file
        if path is not None and self._said_facts is None:
            from moss.cli.files import read_facts  # hardly anybody plans for another machine

            self._said_facts = read_facts(path)
        return self._said_facts

    def show(self, text: Callable[[Page], str]) -> None:
        """Part of the answer that a person must see before it is complete, such as a plan."""
        if not self.settings.json:
            self._display.clear()
            self._tell(text(self.page))

    def clear(self) -> None:
        """Take progress off the terminal, which is another program's now."""
        self._display.clear()

    def confirm(self, question: str) -> None:
        """Ask; Declined unless the answer is yes, NeedsConfirmation where there is nobody to ask."""
        if self.settings.yes:
            return
        if self.settings.json or not (is_terminal(self._in) and is_terminal(self._err)):
            raise NeedsConfirmation(
                "this needs confirmation, pass --yes",
                because=["there is no terminal to ask on"]
                if not self.settings.json
                else ["--json asks nothing"],
                remedies=[self.command_with("--yes"), self.command_with("--dry-run")],
            )
        self._display.clear()
        write(self._err, self.error_page.bold(f"{question} [y/N] "))
        answer = self._in.readline()
        if not answer.endswith("\n"):
            write(self._err, "\n")
        if answer.strip().lower() not in ("y", "yes"):
            raise Declined("nothing was changed")

    @property
    def command_again(self) -> str:
        """The command as it was typed."""
        return _quoted(["moss", *self._typed])

    @property
    def behind_dashes(self) -> list[str]:
        """What stands behind the first `--` of the command line."""
        return list(self._typed[self._typed.index("--") + 1 :]) if "--" in self._typed else []

    def command_with(self, option: str) -> str:
        """The command as it was typed, and this option where it is one for certain."""
        if "--" in self._typed:
            return _quoted(["moss", option, *self._typed])
        return _quoted(["moss", *self._typed, option])

    def when_interrupted(self, what_is_left: Callable[[], str]) -> None:
        """How to say, should Ctrl-C come, what state things are in then."""
        self._what_interruption_left = what_is_left

    # What main does.

    def answer(self, schema: str, answer: Answer) -> None:
        self._display.clear()
        if self.settings.json:
            self._tell(envelope.success(schema, answer.data(), self.warnings))
        else:
            self._tell(answer.text(self.page))

    def fail(self, error: MossError) -> None:
        self._display.clear()
        if self.settings.json:
            write(self._out, envelope.failure(error, self.said_directory))
        else:
            if isinstance(error, Interrupted) and is_terminal(self._err):
                write(self._err, "\n")  # the terminal has just shown ^C there
            write(self._err, error_text(error, self.error_page, self.said_directory))

    @property
    def said_directory(self) -> str | None:
        """The root, where the command line names it: what is suggested must then name it too."""
        directory = self.settings.directory
        return None if directory in ("/", os.environ.get("MOSS_ROOT")) else directory

    @property
    def state_after_interruption(self) -> str:
        return self._what_interruption_left()

    @property
    def page(self) -> Page:
        return self._page_of(self._out)

    @property
    def error_page(self) -> Page:
        return self._page_of(self._err)

    def _write_warning(self, text: str) -> None:
        page, label = self.error_page, "warning: "
        lines = [plain(text)] if page.width is None else wrapped(plain(text), page.width - len(label))
        write(self._err, page.yellow(label.rstrip()) + " " + f"\n{' ' * len(label)}".join(lines) + "\n")

    def _tell(self, text: str) -> None:
        """Part of the answer; MossError where it cannot be written."""
        fault = write(self._out, text)
        if fault is not None:
            raise MossError(fault)

    def _page_of(self, stream: TextIO) -> Page:
        return Page(columns(stream), self._is_coloured(stream), self.settings.verbose > 0, self.said_directory)

    def _is_coloured(self, stream: TextIO) -> bool:
        match self.settings.colour:
            case Colour.ALWAYS:
                return True
            case Colour.NEVER:
                return False
            case Colour.AUTO:
                return (
                    not os.environ.get("NO_COLOR")
                    and os.environ.get("TERM") != "dumb"
                    and is_terminal(stream)
                )

    def _chosen_display(self) -> Display:
        settings = self.settings
        if settings.progress_fd is not None:
            try:
                return Events(open(settings.progress_fd, "w", encoding="utf-8", closefd=False))
            except OSError as fault:
                raise UsageError(
                    f"--progress-fd {settings.progress_fd}: no such descriptor is open for writing"
                ) from fault
        if settings.json or settings.quiet:
            return Nothing()
        if is_terminal(self._err) and os.environ.get("TERM") != "dumb" and settings.progress:
            return Bar(self._err, lambda: columns(self._err) or 80)
        return Lines(self._err) if settings.verbose else Nothing()


def _quoted(words: Sequence[str]) -> str:
    import shlex  # only to say what to type

    return shlex.join(words)
