"""What a bundle carries of repositories: any of its bytes may be somebody's invention."""

import random
import struct

import pytest

from moss.bundle.origins import SignedOrigin, decode_origin
from moss.errors import CorruptData
from moss.stone.container import Place

PLACE = Place("bundle", 64, "origin payload")
FILES = {
    "1.root.json": b"{}", "10.root.json": b"{1}", "2.root.json": b"{2}", "3.snapshot.json": b"", "3.targets.json": b"x",
    f"targets/{'ab' * 32}.stone.index": b"index", "timestamp.json": b"now",
}  # fmt: skip


def test_what_was_written_is_read() -> None:
    origin = SignedOrigin("main", FILES)
    plain, records = origin.encode()
    found = decode_origin(plain, records, PLACE)
    assert found.repository == "main" and dict(found.files) == FILES
    assert found.roots == ["1.root.json", "2.root.json", "10.root.json"]
    assert found.encode() == (plain, records)


def record(name: bytes, content: bytes = b"") -> bytes:
    return struct.pack(">HI", len(name), len(content)) + name + content


CALLED = record(b"repository", b"main")


@pytest.mark.parametrize(
    ("plain", "records", "says"),
    [
        (b"", 0, "does not say which repository"),
        (record(b"1.root.json"), 1, "does not say which repository"),
        (record(b"repository", b"../main"), 1, "does not say which repository"),
        (record(b"repository", b""), 1, "does not say which repository"),
        (CALLED, 2, "another number of files"),
        (CALLED + CALLED, 2, "out of order"),
        (CALLED + record(b"1.root.json"), 2, "out of order"),
        (record(b"../../etc/passwd") + CALLED, 2, "no name of signed metadata"),
        (record(b"0.root.json") + CALLED, 2, "no name of signed metadata"),
        (record(b"1.root.json/") + CALLED, 2, "no name of signed metadata"),
        (record(b"1.root.json\n") + CALLED, 2, "no name of signed metadata"),
        (CALLED + record(b"targets/x.stone.index"), 2, "no name of signed metadata"),
        (CALLED + record(b"targets/\xff"), 2, "no name of signed metadata"),
        (CALLED[:-1], 1, "cut short"),
        (CALLED + b"\0", 1, "cut short"),
        (struct.pack(">HI", 65535, 1 << 31), 1, "cut short"),
    ],
)
def test_what_is_none_is_refused_with_its_place(plain: bytes, records: int, says: str) -> None:
    with pytest.raises(CorruptData, match=says) as fault:
        decode_origin(plain, records, PLACE)
    assert (fault.value.file, fault.value.offset) == ("bundle", 64)


def test_no_damage_is_a_traceback() -> None:
    plain, records = SignedOrigin("main", FILES).encode()
    chance = random.Random(7)
    for _ in range(2000):
        damaged = bytearray(plain)
        for _ in range(chance.randint(1, 3)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        cut = bytes(damaged[: chance.choice((len(damaged), chance.randrange(len(damaged))))])
        try:
            decode_origin(cut, records, PLACE)
        except CorruptData:
            pass
