"""The `moss` command, from arguments to an exit code.

    arguments -> verb (verbs.py) -> its module and parser (command.py) -> Answer -> text or JSON

`--version` is answered before anything else is imported, help from the table of verbs alone.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

from moss import __version__

if TYPE_CHECKING:
    from moss.cli.session import Session
    from moss.cli.verbs import Incomplete
    from moss.errors import MossError


def run() -> NoReturn:
    """The console script."""
    # Imports and plans make many objects and no garbage: looking for it at Python's usual pace costs 15 ms.
    gc.set_threshold(200_000, 20, 20)
    exit_code = main(sys.argv[1:])
    # All is closed and flushed. Tearing the interpreter down would free, piece by piece, what the
    # kernel frees at once, and run code from a /usr that may have been exchanged.
    os._exit(exit_code)


def main(arguments: Sequence[str]) -> int:
    """Run a command line; its exit code, as docs/exit-codes.md lists them. moss's own faults are raised."""
    if list(arguments) in (["--version"], ["-V"]):
        return _say(f"moss {__version__}\n")
    from moss.cli.session import Session
    from moss.cli.settings import Settings
    from moss.cli.verbs import Incomplete, find
    from moss.errors import EndRequested, Interrupted, MossError, Terminated

    # Until the options have been read: what can be known of them.
    session = Session(Settings(json="--json" in arguments), typed=tuple(arguments))
    try:
        found = find(arguments)
        if isinstance(found, Incomplete):
            return _say_about(found)
        from moss.cli.command import parse

        parsed = parse(found.verb, found.arguments)
        if parsed is None:
            return 0
        session = Session(parsed.settings, typed=tuple(arguments))
        answer = parsed.run(session)
        session.answer(found.verb.schema, answer)
        if answer.afterwards is not None:
            answer.afterwards()
        return answer.exit_code
    except KeyboardInterrupt as interruption:
        kind = Terminated if isinstance(interruption, EndRequested) else Interrupted
        return _failed(session, kind(f"interrupted: {session.state_after_interruption}"))
    except MossError as error:
        return _failed(session, error)


def _failed(session: Session, error: MossError) -> int:
    session.fail(error)
    return error.exit_code


def _say_about(incomplete: Incomplete) -> int:
    if incomplete.asks_for == "version":
        return _say(f"moss {__version__}\n")
    from moss.cli.overview import overview

    text = overview(incomplete.group)
    if incomplete.asks_for == "help":
        return _say(text)
    from moss.cli.streams import standard_error, write

    write(standard_error(), text)
    return 2


def _say(text: str) -> int:
    from moss.cli.streams import standard_error, standard_output, write

    fault = write(standard_output(), text)
    if fault is None:
        return 0
    write(standard_error(), f"error: {fault}\n")
    return 1
