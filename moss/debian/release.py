"""A suite's Release: what it says of itself and of its indexes. Read only after its signature was verified.

Debian's repository format: wiki.debian.org/DebianRepository/Format
"""

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from moss.errors import CorruptData
from solver.values import value

_LISTED = re.compile(r" +([0-9a-f]{64}) +([0-9]{1,15}) +(\S+)")
_FIELD = re.compile(r"([A-Za-z0-9-]+):[ \t]*(.*)")
_REMEDY = "ask the mirror's maker, or use another mirror"


@value
class Release:
    """What is signed of a suite."""

    suite: str
    codename: str
    date: int
    """When it was made, seconds since 1970, UTC."""
    valid_until: int | None
    """None: it does not say."""
    by_hash: bool
    """Whether indexes are also there under their digests."""
    files: Mapping[str, tuple[str, int]]
    """SHA-256 and size by path below the suite's directory."""


def parse_release(text: str, name: str) -> Release:
    """CorruptData where it lacks what must be there; `name` is what the person calls it."""
    fields: dict[str, str] = {}
    files: dict[str, tuple[str, int]] = {}
    section = ""
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith(" "):
            if section == "sha256":
                listed = _LISTED.fullmatch(line.rstrip())
                if listed is None:
                    raise CorruptData(f"line {number} lists no file", file=name, remedies=[_REMEDY])
                files[listed[3]] = (listed[1], int(listed[2]))
            continue
        field = _FIELD.fullmatch(line)
        if field is None:
            raise CorruptData(f"line {number} is no field", file=name, remedies=[_REMEDY])
        section = field[1].lower()
        if section in fields:
            raise CorruptData(f"line {number} says {field[1]} again", file=name, remedies=[_REMEDY])
        fields[section] = field[2].strip()
    date = _time(fields.get("date"), "Date", name)
    if date is None or not files:
        raise CorruptData("says no Date, or lists no files by SHA-256", file=name, remedies=[_REMEDY])
    return Release(
        fields.get("suite", ""),
        fields.get("codename", ""),
        date,
        _time(fields.get("valid-until"), "Valid-Until", name),
        fields.get("acquire-by-hash", "").lower() == "yes",
        files,
    )


def _time(text: str | None, field: str, name: str) -> int | None:
    if text is None:
        return None
    try:
        return int(parsedate_to_datetime(text).timestamp())
    except (ValueError, TypeError, OverflowError) as fault:
        raise CorruptData(f"its {field} is {text[:60]!r}, which is no time", file=name, remedies=[_REMEDY]) from fault
