"""A suite's Release: what it says of itself and of its indexes. Read only after its signature was verified.

Debian's repository format: wiki.debian.org/DebianRepository/Format
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from moss.errors import CorruptData
from solver.values import value

_LISTED = re.compile(r" +([0-9a-f]{64}) +([0-9]{1,15}) +(\S+)")
_FIELD = re.compile(r"([A-Za-z0-9-]+):[ \t]*(.*)")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MOMENT = re.compile(
    rf"(?:[A-Z][a-z]{{2}}, +)?([0-9]{{1,2}}) ({'|'.join(_MONTHS)}) ([0-9]{{4}})"
    r" +([0-9]{1,2}):([0-9]{2}):([0-9]{2}) +(UTC|GMT|Z|[+-][0-9]{4})"
)
"""As RFC 5322 and Debian write it: the library's reader takes much else for a time, and 25 ms to load."""
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufffd]")
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
    _refuse_control(text, name)
    for number, line in enumerate(text.rstrip("\n").split("\n"), 1):
        if line.startswith(" "):
            if section == "sha256":
                path, what = _listed(line.rstrip(), number, name)
                if files.setdefault(path, what) != what:
                    raise _bad(f"line {number} lists {path[:200]} again, as another file", name)
            continue
        field = _FIELD.fullmatch(line)
        if field is None:
            raise _bad(f"line {number} is no field", name)
        section = field[1].lower()
        if section in fields:
            raise _bad(f"line {number} says {field[1]} again", name)
        fields[section] = field[2].strip()
    date = _time(fields.get("date"), "Date", name)
    if date is None or not files:
        raise _bad("says no Date, or lists no files by SHA-256", name)
    return Release(
        fields.get("suite", ""),
        fields.get("codename", ""),
        date,
        _time(fields.get("valid-until"), "Valid-Until", name),
        fields.get("acquire-by-hash", "").lower() == "yes",
        files,
    )


def _listed(line: str, number: int, name: str) -> tuple[str, tuple[str, int]]:
    found = _LISTED.fullmatch(line)
    if found is None:
        raise _bad(f"line {number} lists no file", name)
    digest, size, path = found.groups()
    if path.startswith("/") or ".." in path.split("/"):
        raise _bad(f"line {number} lists {path[:200]}, which leads out of the suite", name)
    return path, (digest, int(size))


def _refuse_control(text: str, name: str) -> None:
    found = _CONTROL.search(text)
    if found is not None:
        line = text.count("\n", 0, found.start()) + 1
        raise _bad(f"line {line} holds a control character, or no UTF-8", name)


def _time(text: str | None, field: str, name: str) -> int | None:
    if text is None:
        return None
    found = _MOMENT.fullmatch(text)
    try:
        if found is None:
            raise ValueError(text)
        day, month, year, *clock, zone = found.groups()
        hour, minute, second = map(int, clock)
        moment = datetime(int(year), _MONTHS.index(month) + 1, int(day), hour, minute, second, tzinfo=UTC)
    except ValueError as fault:
        raise _bad(f"its {field} is {text[:60]!r}, which is no time", name) from fault
    ahead = 0 if zone.isalpha() else int(zone[0] + "1") * (int(zone[1:3]) * 3600 + int(zone[3:]) * 60)
    return int(moment.timestamp()) - ahead


def _bad(what: str, name: str) -> CorruptData:
    return CorruptData(what, file=name, remedies=[_REMEDY])
