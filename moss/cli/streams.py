"""The three standard streams, as moss treats them: a reader that went away stops nothing."""

import os
import sys
from typing import TextIO


def standard_input() -> TextIO:
    return sys.stdin or open(os.devnull, encoding="utf-8")


def standard_output() -> TextIO:
    return _lenient(sys.stdout)


def standard_error() -> TextIO:
    return _lenient(sys.stderr)


def write(stream: TextIO, text: str) -> str | None:
    """Write and flush. Why that was not possible, in words; a reader that went away is no reason.

    After a fault all further text is dropped.
    """
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        _discard_what_follows(stream)
    except OSError as fault:
        _discard_what_follows(stream)
        return f"the answer could not be written: {fault.strerror}"
    return None


def is_terminal(stream: TextIO) -> bool:
    return not stream.closed and stream.isatty()


def columns(stream: TextIO) -> int | None:
    """How wide a terminal is; None for what is none, unless COLUMNS says how wide it should be taken for."""
    said = os.environ.get("COLUMNS", "")
    if said.isdecimal() and int(said) > 0:
        return int(said)
    if not is_terminal(stream):
        return None
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except OSError:
        return 80


def _lenient(stream: TextIO | None) -> TextIO:
    """The stream, or nowhere when it was closed; what its encoding lacks is spelt out."""
    if stream is None:
        return open(os.devnull, "w", encoding="utf-8")
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")
    return stream


def _discard_what_follows(stream: TextIO) -> None:
    """Python would flush again at its end, and complain."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
