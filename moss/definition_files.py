"""Files of definitions in a folder: the admin's, and those that an index is made of."""

import os

from moss.effects import as_moss_error
from moss.errors import UsageError

SUFFIX = ".kdl"
_LARGEST = 4 << 20
"""Bytes: more than the characters that are read of one file can be."""


def files_of_definitions(folder: str) -> list[str]:
    """By name; none where there is no such folder. Hidden names are half-written files, or others'."""
    with as_moss_error(f"read {folder}"):
        try:
            names = sorted(os.listdir(folder))
        except (FileNotFoundError, NotADirectoryError):
            return []
    return [os.path.join(folder, name) for name in names if name.endswith(SUFFIX) and not name.startswith(".")]


def read_text(path: str) -> str:
    """The text of a file of definitions; UsageError where it is none."""
    with as_moss_error(f"read {path}"), open(path, "rb") as file:
        content = file.read(_LARGEST + 1)
    try:
        return content.decode()
    except UnicodeDecodeError as fault:
        line = content.count(b"\n", 0, fault.start) + 1
        raise UsageError(f"{path}:{line}: this is not UTF-8", remedies=[f"write {path} as UTF-8"]) from fault
