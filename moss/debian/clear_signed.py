"""A text with an OpenPGP signature around it (RFC 9580, 7), taken apart: what is signed, and by which signatures. Pure.

    -----BEGIN PGP SIGNED MESSAGE-----
    Hash: SHA256
    <empty line>
    the text, each line that begins with a dash with "- " before it
    -----BEGIN PGP SIGNATURE-----
    …
    -----END PGP SIGNATURE-----

Anything else in the file, before it, between, or after it, could be taken for signed by one reader and not by another,
and is refused.
"""

import base64
import binascii
import re

from moss.errors import CorruptData, TrustFailure
from solver.values import value

BEGIN = b"-----BEGIN PGP SIGNED MESSAGE-----"
_SIGNATURE = b"-----BEGIN PGP SIGNATURE-----"
_END = b"-----END PGP SIGNATURE-----"
_HASH = re.compile(rb"Hash: [A-Za-z0-9, -]{1,80}")
_KEYS = b"-----BEGIN PGP PUBLIC KEY BLOCK-----"
_KEYS_END = b"-----END PGP PUBLIC KEY BLOCK-----"
_REMEDIES = ["use another mirror", "ask the mirror's maker"]
_MOST_LINES = 250_000
"""A hundred times what Debian's suites have."""
MOST_SIGNATURES = 64 << 10
"""Bytes. Debian's three take three thousand; verifying each takes time."""


@value
class ClearSigned:
    """The text as signatures see it: lines without blanks at their ends, and no line break behind the last."""

    text: bytes
    signatures: bytes
    """In armor, as a file of detached signatures has them."""


def take_apart(content: bytes, name: str) -> ClearSigned:
    """TrustFailure where there is anything but one signed text; it names the line."""
    if content.count(b"\n") > _MOST_LINES:
        raise TrustFailure(f"{name} has more than {_MOST_LINES:,} lines", remedies=_REMEDIES)
    lines = [line.rstrip(b" \t\r") for line in content.split(b"\n")]
    while lines and not lines[-1]:
        lines.pop()
    if not lines or lines[0] != BEGIN:
        raise _not_signed(lines, name)
    text = next((at for at, line in enumerate(lines) if not line), len(lines))
    for at in range(1, text):
        if not _HASH.fullmatch(lines[at]):
            raise _bad(name, at, "is no header of a signed text")
    signature = next((at for at in range(text, len(lines)) if lines[at] == _SIGNATURE), None)
    if signature is None:
        raise _bad(name, len(lines) - 1, "is its last, and no signature has come")
    end = next((at for at in range(signature, len(lines)) if lines[at] == _END), None)
    if end is None:
        raise _bad(name, len(lines) - 1, "is its last, and its signature does not end")
    if end + 1 < len(lines):
        raise _bad(name, end + 1, "stands behind what is signed")
    for at in range(signature + 1, end):
        if lines[at].startswith(b"-----"):
            raise _bad(name, at, "begins another part within its signature")
    signatures = b"\n".join(lines[signature : end + 1]) + b"\n"
    if len(signatures) > MOST_SIGNATURES:
        raise _bad(name, signature, f"begins {len(signatures):,} bytes of signatures; {MOST_SIGNATURES:,} are enough")
    return ClearSigned(_plain(lines, text + 1, signature, name), signatures)


def dearmored(content: bytes, name: str) -> bytes:
    """The keys of a file: as they are, or out of their armor. CorruptData."""
    if _KEYS not in content:
        return content
    keys = b""
    lines = iter(content.replace(b"\r", b"").split(b"\n"))
    for line in lines:
        if line.strip() != _KEYS:
            continue
        block: list[bytes] = []
        for inner in lines:
            if inner.strip() == _KEYS_END:
                break
            block.append(inner.strip())
        else:
            raise CorruptData("a block of keys does not end", file=name, remedies=["fetch the keyring again"])
        body = block[block.index(b"") + 1 :] if b"" in block else block
        try:
            keys += base64.b64decode(b"".join(one for one in body if not one.startswith(b"=")), validate=True)
        except binascii.Error as fault:
            raise CorruptData(f"a block of keys: {fault}", file=name, remedies=["fetch the keyring again"]) from fault
    return keys


def _plain(lines: list[bytes], first: int, last: int, name: str) -> bytes:
    """Without the dashes that were put before dashes."""
    plain = []
    for at in range(first, last):
        line = lines[at]
        if line.startswith(b"-") and not line.startswith(b"- "):
            raise _bad(name, at, "begins with a dash that is not escaped")
        if b"\0" in line:
            raise _bad(name, at, "has a NUL byte")
        plain.append(line.removeprefix(b"- "))
    return b"\n".join(plain)


def _not_signed(lines: list[bytes], name: str) -> TrustFailure:
    if BEGIN in lines:
        return _bad(name, 0, "stands before what is signed")
    return TrustFailure(
        f"{name} is not signed",
        remedies=["ask the mirror's maker", "accept that nobody vouches for it: --unsigned"],
    )


def _bad(name: str, at: int, what: str) -> TrustFailure:
    return TrustFailure(
        f"{name} is not one signed text and nothing else: line {at + 1} {what}", remedies=_REMEDIES
    )
