"""What is signed of a clear-signed text, and that whatever else there may be in its file is refused."""

import base64
import random
from pathlib import Path

import pytest

from moss.debian.clear_signed import ClearSigned, dearmored, take_apart
from moss.debian.release import parse_release
from moss.errors import CorruptData, TrustFailure
from moss.operations import apt_release
from moss.repository import Repository, Voucher, Vouching

SIGNATURE = b"-----BEGIN PGP SIGNATURE-----\n\niQ==\n=abcd\n-----END PGP SIGNATURE-----\n"
TEXT = f"Suite: stable\nDate: Thu, 01 Jan 1970 00:00:00 UTC\nSHA256:\n {'0' * 64} 12 main/binary-amd64/Packages"


def signed(text: bytes, headers: bytes = b"Hash: SHA512\n") -> bytes:
    return b"-----BEGIN PGP SIGNED MESSAGE-----\n" + headers + b"\n" + text + b"\n" + SIGNATURE


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"a\nb", b"a\nb"), (b"a \t\nb\r", b"a\nb"), (b"- -a\n- b", b"-a\nb"), (b"- - a", b"- a"), (b"", b""),
        (b"\n\na\n\n", b"\n\na\n\n"), (b"- -----BEGIN PGP SIGNATURE-----", b"-----BEGIN PGP SIGNATURE-----"),
        ("ü".encode(), "ü".encode()),
    ],
)  # fmt: skip
def test_the_text_is_as_signatures_see_it(text: bytes, expected: bytes) -> None:
    assert take_apart(signed(text), "x") == ClearSigned(expected, SIGNATURE)
    windows = signed(text).replace(b"\r", b"").replace(b"\n", b"\r\n")
    assert take_apart(windows, "x") == ClearSigned(expected, SIGNATURE)


def test_headers_are_hashes_alone_or_none() -> None:
    for headers in (b"", b"Hash: SHA256\n", b"Hash: SHA256, SHA512\nHash: SHA1\n"):
        assert take_apart(signed(b"a", headers), "x").text == b"a"
    for headers in (b"Comment: x\n", b"Hash:SHA256\n", b"hash: SHA256\n", b"Hash: \xff\n", b" Hash: SHA256\n"):
        with pytest.raises(TrustFailure, match="line 2 is no header"):
            take_apart(signed(b"a", headers), "x")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is not signed"), (TEXT.encode(), "is not signed"), (b"x\n" + signed(b"a"), "line 1 stands before"),
        (signed(b"a") + b"\nx", "line 10 stands behind"), (signed(b"a") + signed(b"b"), "line 10 stands behind"),
        (signed(b"a\n-b"), "line 5 begins with a dash"), (signed(b"a\n- b\0"), "line 5 has a NUL byte"),
        (signed(b"a").replace(SIGNATURE, b""), "line 4 is its last, and no signature has come"),
        (signed(b"a").replace(b"-----END", b"----END"), "its signature does not end"),
        (signed(b"a").replace(b"iQ==", b"-----BEGIN PGP MESSAGE-----"), "line 7 begins another part"),
        (signed(b"a").replace(b"iQ==\n", b"iQ==\n" * 20_000), "bytes of signatures"),
        (signed(b"a\n" * 300_000), "more than 250,000 lines"),
    ],
    ids=range(12),
)  # fmt: skip
def test_anything_else_is_refused(content: bytes, words: str) -> None:
    with pytest.raises(TrustFailure, match=words):
        take_apart(content, "x")


def test_whatever_becomes_of_a_file_it_is_one_signed_text_or_refused() -> None:
    """Lines lost, doubled and changed places: what is taken still has all of the file's lines in it, each once."""
    chance = random.Random(7)
    honest = signed(TEXT.encode()).splitlines(keepends=True)
    taken = 0
    for _ in range(1_000):
        lines = list(honest)
        for _ in range(chance.randrange(1, 4)):
            at, other = chance.randrange(len(lines)), chance.randrange(len(lines))
            match chance.randrange(4):
                case 0:
                    del lines[at]
                case 1:
                    lines.insert(at, lines[other])
                case 2:
                    lines[at], lines[other] = lines[other], lines[at]
                case _:
                    line = bytearray(lines[at])
                    line[chance.randrange(len(line))] = chance.randrange(256)
                    lines[at] = bytes(line)
            if not lines:
                break
        content = b"".join(lines)
        try:
            found = take_apart(content, "x")
        except TrustFailure:
            continue
        if not found.text:
            continue  # no line, or an empty one
        taken += 1
        lines = [line.rstrip(b" \t\r") for line in content.rstrip(b" \t\r\n").split(b"\n")]
        first, text = lines.index(b"") + 1, found.text.split(b"\n")
        assert [line.removeprefix(b"- ") for line in lines[first : first + len(text)]] == text
        assert lines[first + len(text) :] == found.signatures[:-1].split(b"\n")
        try:
            parse_release(found.text.decode("utf-8", "replace"), "x")
        except CorruptData:
            continue
    assert taken > 50


def test_keys_come_out_of_their_armor_as_they_went_in() -> None:
    def armored(content: bytes) -> bytes:
        block = base64.encodebytes(content)
        begin, end = (f"-----{word} PGP PUBLIC KEY BLOCK-----\n".encode() for word in ("BEGIN", "END"))
        return begin + b"Comment: x\n\n" + block + b"=abcd\n" + end

    assert dearmored(b"\x99binary", "x") == b"\x99binary"
    assert dearmored(b"of two:\n" + armored(b"one" * 99) + b"and\n" + armored(b"two"), "x") == b"one" * 99 + b"two"
    assert dearmored(armored(b"one").replace(b"\n", b"\r\n"), "x") == b"one"
    one = armored(b"one")
    for bad in (one[:-20], one.replace(b"b25l", b"b2!l"), one.replace(b"b25l", b"b25")):
        with pytest.raises(CorruptData, match="a block of keys"):
            dearmored(bad, "x")


def test_the_machines_own_keyrings_are_all_that_apt_goes_by(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "trusted.gpg.d"
    folder.mkdir()
    for name in ("b.asc", "a.gpg", "a.gpg~", "c.asc.dpkg-old"):
        (folder / name).touch()
    (tmp_path / "archive.gpg").touch()
    places = (str(tmp_path / "trusted.gpg"), str(folder), str(tmp_path / "archive.gpg"))
    monkeypatch.setattr(apt_release, "_OWN_KEYRINGS", places)

    def keyrings(pinned: str) -> tuple[str, ...]:
        vouching = Vouching(Voucher.KEYRING, pinned)
        return apt_release.keyrings_of(Repository("x", "apt+http://x", 0, True, vouching))

    assert [Path(path).name for path in keyrings("")] == ["a.gpg", "b.asc", "archive.gpg"]
    assert keyrings("/k.gpg") == ("/k.gpg",)
