"""One flipped bit is noticed: everywhere in our stones, in upstream's wherever the format can tell."""

import io
import random
from dataclasses import replace
from pathlib import Path

import pytest

from moss.digest import PackageDigest
from moss.errors import CorruptData, FormatTooNew
from moss.package import Published
from moss.stone import ContentSpool, check_stone, write_index, write_stone

from . import plainly
from .test_round_trips import RICH, random_package

SHARED = Path(__file__).parents[2].parent / "shared" / "stones"


def flipped(raw: bytes, bit: int) -> bytes:
    changed = bytearray(raw)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def unnoticed(raw: bytes, bits: range | list[int]) -> list[tuple[int, int]]:
    """(byte, bit) of every flip that a check does not notice."""
    missed = []
    for bit in bits:
        try:
            check_stone(io.BytesIO(flipped(raw, bit)), "flipped")
        except (CorruptData, FormatTooNew):
            continue
        missed.append(divmod(bit, 8))
    return missed


def without_content() -> bytes:
    target = io.BytesIO()
    with ContentSpool() as spool:
        write_stone(target, plainly.STATEMENT, [], spool)
    return target.getvalue()


def an_index() -> bytes:
    target = io.BytesIO()
    packages = [
        Published(replace(RICH, name=name), f"{name}.stone", PackageDigest(plainly.sha256(name.encode())), 1)
        for name in ("a", "b")
    ]
    write_index(target, packages)
    return target.getvalue()


def an_empty_index() -> bytes:
    return plainly.put_together(3, [])


@pytest.mark.parametrize(
    "make",
    [plainly.small_stone, lambda: plainly.small_stone(RICH), without_content, an_index, an_empty_index],
    ids=["small", "rich", "without content", "index", "empty index"],
)
def test_any_bit_flipped_in_a_file_of_ours_is_noticed(make) -> None:  # type: ignore[no-untyped-def]
    raw = make()
    assert check_stone(io.BytesIO(raw), "whole") == ()
    assert unnoticed(raw, range(len(raw) * 8)) == []


@pytest.mark.parametrize("one_shot", [0, 1 << 30], ids=["streamed", "at once"])
def test_bits_flipped_in_a_larger_stone_are_noticed(one_shot: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moss.stone.reader.ONE_SHOT", one_shot)
    target = io.BytesIO()
    with ContentSpool() as spool:
        entries, _ = random_package(7, spool)
        write_stone(target, plainly.STATEMENT, entries, spool)
    raw = target.getvalue()
    dice = random.Random(1)
    assert unnoticed(raw, [dice.randrange(len(raw) * 8) for _ in range(300)]) == []


@pytest.mark.parametrize("cut", [1, 2, 31, 32, 33, 100])
def test_a_stone_cut_short_or_too_long_is_noticed(cut: int) -> None:
    raw = plainly.small_stone()
    for changed in (raw[:-cut], raw[:cut], raw + bytes(cut)):
        with pytest.raises(CorruptData):
            check_stone(io.BytesIO(changed), "changed")


@pytest.mark.parametrize(
    "name",
    [
        "italian-pizza-1-1-1-x86_64.stone",
        "pineapple-1-1-1-x86_64.stone",
        "manifest.x86_64.bin",
        "vessel-stone.index",
    ],
)
def test_any_bit_flipped_in_a_file_of_upstreams_is_noticed_but_for_the_count_of_contents(name: str) -> None:
    if not SHARED.is_dir():
        pytest.skip("the shared folder of real stones is not here")
    raw = (SHARED / name).read_bytes()
    # What nothing in the format covers: the content's number of records, which may be 0 or the real one.
    expected = []
    position = 32
    while position < len(raw):
        if raw[position + 30] == plainly.CONTENT:
            expected = [(position + 27, 0)]
        position += 32 + int.from_bytes(raw[position : position + 8])
    assert unnoticed(raw, range(len(raw) * 8)) == expected


def test_bits_flipped_in_real_stones_are_noticed() -> None:
    if not SHARED.is_dir():
        pytest.skip("the shared folder of real stones is not here")
    dice = random.Random(2)
    for path in sorted(SHARED.glob("*.stone")):
        raw = path.read_bytes()
        assert unnoticed(raw, [dice.randrange(len(raw) * 8) for _ in range(25)]) == []
