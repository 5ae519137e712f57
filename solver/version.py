"""The order of versions, for each way of writing them.

A version is turned into bytes whose plain byte order is the order of the scheme, so that tables can
hold them ready and nobody compares versions segment by segment while people wait.

DEB (Debian policy 5.6.12, deb-version(7)): `[epoch:]upstream[-revision]`. "First the initial part
of each string consisting entirely of non-digit characters is determined … compared lexically …
modified so that all the letters sort earlier than all the non-letters and so that a tilde sorts
before anything, even the end of a part … Then the initial part of the remainder … which consists
entirely of digit characters … compared numerically". An absent revision equals revision 0.

RPM (rpm-version(7), rpmvercmp): `[epoch:]version[-release]`. Runs of digits and runs of letters are compared in
turn, anything else only separates; digits are newer than letters; `~` is older than the end, `^`
newer than the end and older than everything else.

STONE: `version[-release]` as upstream writes it (`8.4-35`): the version as RPM orders it, then the
release as an integer.

INTEGER: a CUDF version, a plain number.

Where RPM and STONE texts lack the release, a comparison looks at the version alone: `8.4` matches
every release of 8.4. Versions of different schemes are never compared.
"""

import re
from enum import IntEnum
from functools import lru_cache
from itertools import starmap


class Scheme(IntEnum):
    """How a version is written and ordered."""

    DEB = 0
    RPM = 1
    STONE = 2
    INTEGER = 3


_RELEASED = (Scheme.RPM, Scheme.STONE)


class VersionError(ValueError):
    """A text that is no version of its scheme."""

    def __init__(self, scheme: Scheme, text: str, wrong: str) -> None:
        super().__init__(f"{text!r} is not a {scheme.name} version: {wrong}")
        self.scheme, self.text, self.wrong = scheme, text, wrong


def compare(scheme: Scheme, a: str, b: str) -> int:
    """-1, 0 or 1 as a is older than, equal to or newer than b."""
    return compare_keys(scheme, sort_key(scheme, a), sort_key(scheme, b))


def compare_keys(scheme: Scheme, a: bytes, b: bytes) -> int:
    """`compare` on sort keys. A missing release equals every release, except in DEB."""
    if a == b:
        return 0
    # Keys are prefix-free but for the release, which ends them and may be missing.
    if scheme in _RELEASED and (a.startswith(b) or b.startswith(a)):
        return 0
    return -1 if a < b else 1


def make_sort_key(scheme: Scheme, text: str) -> bytes:
    """As `sort_key`, for who keeps what was made."""
    match scheme:
        case Scheme.DEB:
            return _deb_key(text)
        case Scheme.RPM:
            return _rpm_key(text)
        case Scheme.STONE:
            return _stone_key(text)
        case Scheme.INTEGER:
            return _integer_key(text)


@lru_cache(maxsize=1 << 18)
def sort_key(scheme: Scheme, text: str) -> bytes:
    """Bytes that order as the versions do. Raises VersionError."""
    return make_sort_key(scheme, text)


#        ~     end of a part    letters        everything else
# DEB    1     2                65…122         128 + ASCII
_DEB_ORDER = bytes(1 if c == ord("~") else c if chr(c).isalpha() and c < 128 else (128 + c) & 255 for c in range(256))
_DEB_END = b"\x02\x00"
_DEB_ALLOWED = re.compile(r"[A-Za-z0-9.+~:\-]+\Z", re.ASCII)
_DEB_PARTS = re.compile(rb"([^0-9]*)([0-9]*)")


def _number(digits: bytes) -> bytes:
    """Digits with their count before them: longer is greater, then digit by digit."""
    digits = digits.lstrip(b"0")
    return bytes((len(digits),)) + digits


def _check_numbers(scheme: Scheme, text: str) -> None:
    if len(text) > 255 and re.search(r"[0-9]{256}", text):
        raise VersionError(scheme, text[:40] + "…", "a number of more than 255 digits")


@lru_cache(maxsize=1 << 12)  # `.1` and `+deb12` are everywhere
def _deb_piece(rest: bytes, digits: bytes) -> bytes:
    return rest.translate(_DEB_ORDER) + b"\x02" + _number(digits) if rest or digits else b""


@lru_cache(maxsize=1 << 12)  # revisions are much the same everywhere
def _deb_part(part: bytes) -> bytes:
    key = b"".join(starmap(_deb_piece, _DEB_PARTS.findall(part)))
    return (key or _DEB_END) + _DEB_END  # nothing equals 0


def _deb_key(text: str) -> bytes:
    if not _DEB_ALLOWED.match(text):
        raise VersionError(Scheme.DEB, text, "empty, or a character other than A-Za-z0-9.+-~:")
    _check_numbers(Scheme.DEB, text)
    epoch, colon, rest = text.partition(":")
    if not colon:
        epoch, rest = "0", text
    elif not epoch.isdecimal():
        raise VersionError(Scheme.DEB, text, "the epoch before ':' is not a number")
    upstream, dash, revision = rest.rpartition("-")
    if not dash:
        upstream, revision = rest, ""
    if not upstream:
        raise VersionError(Scheme.DEB, text, "nothing between epoch and revision")
    return _number(epoch.encode()) + _deb_part(upstream.encode()) + _deb_part(revision.encode())


# RPM    ~ 1    end 2    ^ 3    letters 4    digits 5
_RPM_PARTS = re.compile(rb"[0-9]+|[A-Za-z]+|~|\^")


def _rpm_part(part: bytes) -> bytes:
    key = b""
    for piece in _RPM_PARTS.findall(part):
        if piece == b"~":
            key += b"\x01"
        elif piece == b"^":
            key += b"\x03"
        elif piece[0] >= 65:
            key += b"\x04" + piece + b"\x00"
        else:
            key += b"\x05" + _number(piece)
    return key + b"\x02"


def _rpm_key(text: str) -> bytes:
    _check_numbers(Scheme.RPM, text)
    epoch, colon, rest = text.partition(":")
    if not colon:
        epoch, rest = "0", text
    elif not epoch.isdecimal():
        raise VersionError(Scheme.RPM, text, "the epoch before ':' is not a number")
    version, dash, release = rest.rpartition("-")
    if not dash:
        version, release = rest, ""
    if not version:
        raise VersionError(Scheme.RPM, text, "no version")
    key = _number(epoch.encode()) + _rpm_part(version.encode())
    return key + _rpm_part(release.encode()) if dash else key


def _stone_key(text: str) -> bytes:
    _check_numbers(Scheme.STONE, text)
    version, dash, release = text.rpartition("-")
    if not dash or not release.isdecimal() or not release.isascii():
        version, release = text, ""
    if not version or version.isspace():
        raise VersionError(Scheme.STONE, text, "no version")
    key = _rpm_part(version.encode())
    return key + _number(release.encode()) + b"\x02" if release else key


def _integer_key(text: str) -> bytes:
    if not (text.isdecimal() and text.isascii()):
        raise VersionError(Scheme.INTEGER, text, "not a whole number")
    _check_numbers(Scheme.INTEGER, text)
    return _number(text.encode())
