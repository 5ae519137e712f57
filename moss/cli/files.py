"""Files that a person names on the command line."""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, BinaryIO

from moss.effects import as_moss_error, moss_error_of
from moss.errors import NoSpace, NotFound, UsageError
from moss.facts import Fact
from moss.facts_file import parse_facts

_LARGEST_FACTS = 4 << 20
_LARGEST_TEXT = 4 << 20


@contextmanager
def opened_file(path: str) -> Iterator[BinaryIO]:
    """Open to read; NotFound when it is not there, UsageError when it is a directory."""
    try:
        file = open(path, "rb")  # noqa: SIM115 - closed by the with below, its faults told apart here
    except FileNotFoundError as fault:
        raise NotFound(f"there is no file {path}") from fault
    except IsADirectoryError as fault:
        raise UsageError(f"{path} is a directory, a file is wanted") from fault
    except OSError as fault:
        raise moss_error_of(fault, f"read {path}") from fault
    with file:
        yield file


@contextmanager
def input_file(path: str) -> Iterator[BinaryIO]:
    """`opened_file`, or standard input for '-'; UsageError when that is a terminal."""
    if path != "-":
        with opened_file(path) as file:
            yield file
        return
    if sys.stdin is None or sys.stdin.isatty():
        raise UsageError("standard input is a terminal, a file's content is wanted there")
    with open(sys.stdin.fileno(), "rb", closefd=False) as file:
        yield file


@contextmanager
def output_file(path: str, *, as_json: bool) -> Iterator[tuple[IO[bytes], str | None]]:
    """Where to write, and a directory for what is written aside. A file takes its place when the block ends
    well; '-' is standard output, which then cannot carry an answer under --json as well."""
    from moss.stone import replacing  # with it zstandard and all of the format come along; who reads needs none of it

    if path != "-":
        directory = os.path.dirname(path) or "."
        with _writing(path):
            if os.path.exists(path) and not os.path.isfile(path):
                # A device or a named pipe: nothing can take its place.
                with open(path, "wb") as file:
                    yield file, None
                return
            with replacing(path) as target:
                yield target, directory
        return
    if as_json:
        raise UsageError(
            "standard output cannot hold the file and the JSON answer", remedies=["write to a file: -o FILE"]
        )
    if sys.stdout is None or sys.stdout.isatty():
        raise UsageError("standard output is a terminal", remedies=["write to a file: -o FILE", "or to a pipe"])
    sys.stdout.flush()
    with as_moss_error("write to standard output"), open(sys.stdout.fileno(), "wb", closefd=False) as file:
        yield file, None


@contextmanager
def _writing(path: str) -> Iterator[None]:
    """A full file system is not the root's, so nothing of moss's own would make room there."""
    try:
        yield
    except OSError as fault:
        if fault.errno != errno.ENOSPC:
            raise moss_error_of(fault, f"write {path}") from fault
        raise NoSpace(
            f"cannot write {path}: its file system is full",
            remedies=["write it to another file system: -o FILE", f"look with: df -h {os.path.dirname(path) or '.'}"],
        ) from fault


def read_text(path: str) -> str:
    """A text of the person's, at most a few MiB; '-' is standard input. UsageError where it is none."""
    with input_file(path) as file, as_moss_error(f"read {path}"):
        content = file.read(_LARGEST_TEXT + 1)
    if len(content) > _LARGEST_TEXT:
        raise UsageError(f"{name_of(path)} is larger than {_LARGEST_TEXT >> 20} MiB", remedies=["name another file"])
    try:
        return content.decode()
    except UnicodeDecodeError as fault:
        line = content.count(b"\n", 0, fault.start) + 1
        raise UsageError(f"{name_of(path)}:{line}: this is not UTF-8", remedies=[f"mend {path}"]) from fault


def read_facts(path: str) -> tuple[Fact, ...]:
    """The facts in a file; UsageError telling all that is wrong in it."""
    with opened_file(path) as file, as_moss_error(f"read {path}"):
        content = file.read(_LARGEST_FACTS + 1)
    if len(content) > _LARGEST_FACTS:
        raise UsageError(f"{path} is too large to be a file of facts", remedies=["moss facts -o FILE writes one"])
    try:
        text = content.decode()
    except UnicodeDecodeError as fault:
        line = content.count(b"\n", 0, fault.start) + 1
        column = len(content[content.rfind(b"\n", 0, fault.start) + 1 : fault.start].decode()) + 1
        raise UsageError(f"{path}:{line}:{column}: this is not UTF-8", remedies=[f"mend {path}"]) from fault
    return parse_facts(text, path)


def name_of(path: str) -> str:
    """What messages call an input."""
    return "standard input" if path == "-" else path
