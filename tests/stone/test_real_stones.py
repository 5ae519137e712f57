"""Stones that upstream made: read, verified, and the same after our writer had them."""

import io
from pathlib import Path

import pytest
import xxhash

from moss.layout import EntryKind
from moss.stone import ContentSpool, StoneKind, Strictness, check_stone, open_stone, write_stone

from . import plainly

SHARED = Path(__file__).parents[2].parent / "shared" / "stones"
NAMES = sorted(path.name for path in SHARED.glob("*")) or ["none"]

pytestmark = pytest.mark.skipif(not SHARED.is_dir(), reason="the shared folder of real stones is not here")


@pytest.mark.parametrize("name", NAMES)
def test_a_real_file_is_read_as_a_second_reading_has_it(name: str) -> None:
    raw = (SHARED / name).read_bytes()
    kind, parts = plainly.take_apart(raw)
    stone = open_stone(io.BytesIO(raw), name, strictness=Strictness.CHECK)
    assert stone.kind == kind
    plain = {part.kind: part.plain for part in parts}
    if kind != StoneKind.BINARY:
        return
    values = {tag: value for tag, _, value in plainly.meta_records(plain[plainly.META])}
    assert stone.metadata.name.encode() + b"\0" == values[1]
    assert stone.metadata.release == int.from_bytes(values[11])
    assert len(stone.layout) == next(part.records for part in parts if part.kind == plainly.LAYOUT)
    whole = b"".join(b"".join(content.chunks()) for content in stone.contents())
    assert whole == plain[plainly.CONTENT]


@pytest.mark.parametrize("name", NAMES)
def test_a_real_file_passes_the_check(name: str) -> None:
    with (SHARED / name).open("rb") as file:
        notes = check_stone(file, name)
    assert all("census" in note for note in notes)


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith(".stone")])
def test_a_real_stone_written_again_says_the_same(name: str) -> None:
    with (SHARED / name).open("rb") as file, ContentSpool() as spool:
        stone = open_stone(file, name)
        for content in stone.contents():
            digest, size = spool.add(content.chunks())
            assert (digest, size) == (content.digest, content.size)
        target = io.BytesIO()
        write_stone(target, stone.metadata, stone.layout, spool)
    plainly.take_apart(target.getvalue())
    target.seek(0)
    again = open_stone(target, name, strictness=Strictness.CHECK)
    assert (again.metadata, again.layout) == (stone.metadata, stone.layout)
    regular = {entry.digest for entry in again.layout if entry.kind is EntryKind.REGULAR}
    assert {xxhash.xxh3_128(b"".join(content.chunks())).digest() for content in again.contents()} == regular


def test_a_manifests_build_dependencies_are_not_dependencies() -> None:
    with (SHARED / "manifest.x86_64.bin").open("rb") as file:
        (statement,) = open_stone(file, "manifest").statements
    assert [str(capability) for capability in statement.build_depends] == [
        "pkgconfig(libmagic)",
        "pkgconfig(ncursesw)",
        "pkgconfig(zlib)",
    ]
    assert "interpreter(/usr/lib/ld-linux-x86-64.so.2(x86_64))" in map(str, statement.depends)
    assert not set(statement.build_depends) & set(statement.depends)


def test_a_declared_conflict_of_upstreams_is_read() -> None:
    with (SHARED / "italian-pizza-1-1-1-x86_64.stone").open("rb") as file:
        assert list(map(str, open_stone(file, "pizza").metadata.conflicts)) == ["pineapple"]
