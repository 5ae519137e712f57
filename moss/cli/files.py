"""Files that a person names on the command line."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from moss.effects import moss_error_of
from moss.errors import NotFound, UsageError


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
