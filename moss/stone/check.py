"""`inspect --check`: everything the format lets one notice, in one pass over the whole file."""

from typing import BinaryIO

from moss.layout import INSTALLABLE_KINDS
from moss.stone.container import CENSUS, DEFAULT_LIMITS, Limits, Strictness
from moss.stone.reader import Stone, open_stone


def check_stone(file: BinaryIO, name: str, *, limits: Limits = DEFAULT_LIMITS) -> tuple[str, ...]:
    """Read a file whole, its content included. Raises the first fault; the notes are what is no fault
    and yet worth knowing."""
    stone = open_stone(file, name, strictness=Strictness.CHECK, limits=limits)
    for _ in stone.contents():
        pass
    return notes_of(stone)


def notes_of(stone: Stone) -> tuple[str, ...]:
    """What a reader of this stone may want to know; none of it is a fault."""
    notes = []
    if stone.payloads and CENSUS not in stone.attributes:
        notes.append("it has no census: a few bits of its payload headers are covered by nothing")
    for entry in stone.layout:
        if entry.kind not in INSTALLABLE_KINDS:
            word = entry.kind.name.lower().replace("_", " ")
            notes.append(f"{entry.path} is a {word}: the package cannot be installed")
    return tuple(notes)
