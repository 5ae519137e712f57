"""What is written comes back, and every number in it is right by a second computation."""

import io
import json
import os
import random
from dataclasses import replace
from pathlib import Path

import pytest
import xxhash

from moss.capability import Capability
from moss.digest import EMPTY_CONTENT, PackageDigest
from moss.errors import CorruptData, UsageError
from moss.layout import Entry, EntryKind, directory, regular, symlink
from moss.package import Metadata, Published, Relations
from moss.stone import (
    ContentSpool,
    Strictness,
    check_stone,
    open_stone,
    read_index,
    write_index,
    write_index_file,
    write_stone,
    write_stone_file,
)
from moss.xattrs import xattrs_of
from solver.formula import parse_formula, parse_relation
from solver.model import Provide
from solver.version import Scheme

from . import plainly

RICH = replace(
    plainly.STATEMENT,
    version="2:1.0~rc1-1",
    scheme=Scheme.DEB,
    source_digest="sha256:" + "ab" * 32,
    licenses=("MPL-2.0", "Apache-2.0"),
    depends=(Capability.parse("libc6"), Capability.parse("soname(libz.so.1(x86_64))")),
    provides=(Capability.parse("binary(hello)"),),
    conflicts=(Capability.parse("large"),),
    rich_relations=Relations(
        depends=(parse_formula("libc6 (>= 2.36)"), parse_formula("a:amd64 | b (< 2)")),
        recommends=(parse_formula("vim"),),
        supplements=(parse_formula("x if y"),),
        provides=(Provide("hello", "3"), Provide("soname(libh.so.1(x86_64))", None)),
        conflicts=(parse_relation("large (< 3)"),),
        breaks=(parse_relation("old (= 1)"),),
        replaces=(parse_relation("old"),),
    ),
)


def opened(raw: bytes, strictness: Strictness = Strictness.CHECK):  # type: ignore[no-untyped-def]
    return open_stone(io.BytesIO(raw), "a.stone", strictness=strictness)


@pytest.mark.parametrize("metadata", [plainly.STATEMENT, RICH], ids=["plain", "rich"])
def test_a_statement_comes_back_equal(metadata: Metadata) -> None:
    assert opened(plainly.small_stone(metadata)).metadata == metadata


def test_every_number_in_a_stone_is_right_by_a_second_computation() -> None:
    raw = plainly.small_stone(RICH)
    kind, parts = plainly.take_apart(raw)
    assert kind == 1
    assert [part.kind for part in parts] == [
        plainly.META,
        plainly.LAYOUT,
        plainly.ATTRIBUTES,
        plainly.INDEX,
        plainly.CONTENT,
    ]
    content, index = parts[4].plain, parts[3].plain
    ranges = [
        (
            int.from_bytes(index[at : at + 8]),
            int.from_bytes(index[at + 8 : at + 16]),
            index[at + 16 : at + 32],
        )
        for at in range(0, len(index), 32)
    ]
    assert [(start, end) for start, end, _ in ranges] == [(0, 39), (39, 39)]
    assert all(xxhash.xxh3_128(content[start:end]).digest() == digest for start, end, digest in ranges)
    assert [part.records for part in parts] == [len(plainly.meta_records(parts[0].plain)), 5, 4, 2, 2]


def test_the_census_is_the_digest_of_the_headers() -> None:
    raw = plainly.small_stone()
    headers, position = [raw[:32]], 32
    while position < len(raw):
        if raw[position + 30] != plainly.ATTRIBUTES:
            headers.append(raw[position : position + 32])
        position += 32 + int.from_bytes(raw[position : position + 8])
    assert opened(raw).attributes["moss.census/1"] == xxhash.xxh3_128(b"".join(headers)).digest()


def test_meta_records_are_written_in_the_prescribed_order() -> None:
    records = plainly.meta_records(plainly.part_of(plainly.small_stone(RICH), plainly.META).plain)
    assert [tag for tag, _, _ in records] == [1, 3, 11, 13, 2, 4, 5, 7, 6, 12, 12, 8, 8, 9, 10]
    by_tag = {tag: (kind, value) for tag, kind, value in records}
    assert by_tag[1] == (9, b"small\0")
    assert by_tag[11] == (8, (3).to_bytes(8))
    assert by_tag[8] == (10, b"\x01libz.so.1(x86_64)\0")
    assert by_tag[9] == (11, b"\x06hello\0")
    assert by_tag[10] == (11, b"\x00large\0")


def test_rich_relations_are_canonical_json_under_a_key_of_ours() -> None:
    raw = opened(plainly.small_stone(RICH)).attributes["moss.relations/1"]
    texts = json.loads(raw)
    assert texts["depends"] == ["libc6 (>= 2.36)", "a:amd64 | b (< 2)"]
    assert texts["provides"] == ["hello (= 3)", "soname(libh.so.1(x86_64))"]
    assert raw == json.dumps(texts, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    assert opened(plainly.small_stone(RICH)).attributes["moss.version-scheme/1"] == b"deb"


def test_the_digest_returned_is_that_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.stone"
    with ContentSpool() as spool:
        entries = [regular("a", spool.add(b"x")[0])]
        digest = write_stone_file(str(path), plainly.STATEMENT, entries, spool)
    assert digest == plainly.sha256(path.read_bytes())
    assert os.listdir(tmp_path) == ["a.stone"]
    assert path.stat().st_mode & 0o777 == 0o644


def test_the_same_input_gives_the_same_bytes() -> None:
    assert plainly.small_stone(RICH) == plainly.small_stone(RICH)


def test_a_file_that_could_not_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "a.stone"
    path.write_bytes(b"old")
    with ContentSpool() as spool, pytest.raises(UsageError):
        write_stone_file(str(path), replace(plainly.STATEMENT, name="a/b"), [], spool)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.stone"]


def test_a_stone_may_hold_nothing_but_its_statement() -> None:
    target = io.BytesIO()
    with ContentSpool() as spool:
        write_stone(target, plainly.STATEMENT, [], spool)
    stone = opened(target.getvalue())
    assert (stone.layout, stone.index, list(stone.contents())) == ((), (), [])
    assert [part.kind for part in plainly.take_apart(target.getvalue())[1]] == [
        plainly.META,
        plainly.ATTRIBUTES,
    ]


def random_package(seed: int, spool: ContentSpool) -> tuple[list[Entry], dict[bytes, bytes]]:
    """Contents from nothing to more than two pieces, some twice, at paths of several depths."""
    dice = random.Random(seed)
    entries: list[Entry] = []
    contents: dict[bytes, bytes] = {}
    sizes = [0, 1, 255, 4096, 1 << 20, (1 << 20) + 1, (1 << 20) - 1, 2_500_000]
    for number in range(dice.randrange(1, 40)):
        path = "/".join(["d" + str(dice.randrange(4)) for _ in range(dice.randrange(3))] + [f"ü{number}"])
        match dice.randrange(8):
            case 0:
                entries.append(symlink(path, "../x" * dice.randrange(1, 50), dice.randrange(9), 2))
            case 1:
                entries.append(directory(path, dice.choice([0o700, 0o1777, 0o2755])))
            case 2 if contents:
                digest = dice.choice(sorted(contents))
                entries.append(regular(path, digest, 0o4755))  # type: ignore[arg-type]
            case _:
                size = dice.choice(sizes[:4] if dice.randrange(5) else sizes)
                content = dice.randbytes(min(size, 1000)) * (size // 1000 + 1)
                content = content[:size]
                digest, spooled = spool.add(content if dice.randrange(2) else io.BytesIO(content))
                assert spooled == size
                contents[digest] = content
                noted = {f"user.{n}": dice.randbytes(n) for n in range(dice.randrange(4))} if dice.randrange(2) else {}
                mode, gid = dice.choice([0o644, 0o755]), dice.randrange(1 << 32)
                entries.append(regular(path, digest, mode, 1, gid, xattrs_of(noted)))
    return entries, contents


@pytest.mark.parametrize("seed", range(25))
def test_a_random_package_comes_back_equal(seed: int) -> None:
    target = io.BytesIO()
    with ContentSpool() as spool:
        entries, contents = random_package(seed, spool)
        write_stone(target, plainly.STATEMENT, entries, spool, level=1)
    raw = target.getvalue()
    plainly.take_apart(raw)
    stone = opened(raw)
    assert list(stone.layout) == entries
    found = {content.digest: b"".join(content.chunks()) for content in stone.contents()}
    assert found == contents
    sizes = [content.size for content in stone.contents()]
    assert sizes == sorted(sizes, reverse=True)
    assert stone.content_size == sum(sizes)


@pytest.mark.parametrize("one_shot", [0, 1 << 30], ids=["streamed", "at once"])
def test_both_ways_of_unpacking_give_the_same(one_shot: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moss.stone.reader.ONE_SHOT", one_shot)
    target = io.BytesIO()
    with ContentSpool() as spool:
        entries, contents = random_package(3, spool)
        write_stone(target, plainly.STATEMENT, entries, spool)
    stone = opened(target.getvalue())
    for _ in range(2):
        assert {content.digest: b"".join(content.chunks()) for content in stone.contents()} == contents
    skipped = [content.digest for content in stone.contents()]
    assert set(skipped) == set(contents)


@pytest.mark.parametrize("one_shot", [0, 1 << 30], ids=["streamed", "at once"])
def test_a_stone_can_be_read_from_a_pipe(one_shot: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moss.stone.reader.ONE_SHOT", one_shot)

    class Pipe(io.BytesIO):
        """Gives a few bytes at a time, and goes only forwards."""

        def seekable(self) -> bool:
            return False

        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(min(size or 0, 7))

        def seek(self, *_: object) -> int:
            raise AssertionError("a pipe cannot be sought in")

    stone = open_stone(Pipe(plainly.small_stone(RICH)), "pipe", strictness=Strictness.CHECK)
    assert stone.metadata == RICH
    assert [b"".join(content.chunks()) for content in stone.contents()] == [b"hello, world\n" * 3, b""]


def test_a_pieces_size_is_never_more_than_a_mebibyte() -> None:
    target = io.BytesIO()
    with ContentSpool() as spool:
        entries = [regular("a", spool.add(random.Random(1).randbytes(5_000_000))[0])]
        entries += [regular(f"b{n}", spool.add(bytes([n]) * 700_000)[0]) for n in range(5)]
        write_stone(target, plainly.STATEMENT, entries, spool)
    for content in opened(target.getvalue()).contents():
        pieces = [len(piece) for piece in content.chunks()]
        assert max(pieces) <= 1 << 20
        assert content.size > 1 << 20 or len(pieces) == 1, "what fits into one piece comes as one"


def published(name: str, version: str = "1", metadata: Metadata = plainly.STATEMENT) -> Published:
    digest = PackageDigest(plainly.sha256(f"{name} {version}".encode()))
    return Published(replace(metadata, name=name, version=version), f"pool/{name}%253a.stone", digest, 4711)


def test_an_index_comes_back_equal_and_sorted(tmp_path: Path) -> None:
    packages = [
        published("b"),
        published("a", "2", RICH),
        published("a", "1", RICH),
        published("c", "1:1", RICH),
    ]
    path = str(tmp_path / "stone.index")
    write_index_file(path, packages)
    assert read_index(path, strictness=Strictness.CHECK) == tuple(
        sorted(packages, key=lambda package: (package.metadata.name, package.metadata.version))
    )
    kind, parts = plainly.take_apart(Path(path).read_bytes())
    assert kind == 3
    assert [part.kind for part in parts] == [plainly.META] * 4 + [plainly.ATTRIBUTES]
    tags = [tag for tag, _, _ in plainly.meta_records(parts[0].plain)]
    assert tags[9:12] == [14, 15, 16]


def test_an_index_of_nothing_is_a_bare_header(tmp_path: Path) -> None:
    target = io.BytesIO()
    write_index(target, [])
    assert target.getvalue() == plainly.put_together(3, [])
    path = tmp_path / "stone.index"
    path.write_bytes(target.getvalue())
    assert read_index(str(path)) == ()


def test_an_index_refuses_a_stone_listed_twice() -> None:
    with pytest.raises(UsageError) as caught:
        write_index(io.BytesIO(), [published("a"), published("b"), published("a")])
    assert any("listed 2 times" in reason for reason in caught.value.because)


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ([symlink("a/../b", "x")], "the part '..'"),
        ([symlink("a", "x"), symlink("a", "y")], "occurs twice"),
        ([symlink("a", "x"), symlink("a/b", "y")], "lies below 'a'"),
        ([symlink("a", "")], "symlink to nothing"),
        ([Entry("a", EntryKind.DIRECTORY, 0o755)], "not that of a directory"),
        ([directory("a")._replace(xattrs=xattrs_of({"user.x": b""}))], "no file and yet has extended attributes"),
        ([regular("a", EMPTY_CONTENT, xattrs=xattrs_of({"trusted.x": b""}))], "none that belongs to a file"),
    ],
    ids=["path", "twice", "below a link", "empty link", "mode", "a directory's xattrs", "xattrs"],
)
def test_what_a_stone_cannot_hold_is_refused_before_writing(entries: list[Entry], said: str) -> None:
    target = io.BytesIO()
    with ContentSpool() as spool, pytest.raises(UsageError) as caught:
        write_stone(target, plainly.STATEMENT, entries, spool)
    assert said in " ".join(caught.value.because)
    assert target.getvalue() == b""


def test_our_own_stones_pass_the_check_without_a_note() -> None:
    assert check_stone(io.BytesIO(plainly.small_stone(RICH)), "a.stone") == ()


def test_an_index_says_what_subscriptions_mean() -> None:
    for packages in ([], [published("a")]):
        target = io.BytesIO()
        write_index(target, packages, {"b.kdl": "subscription b", "a.kdl": "// ä"})
        target.seek(0)
        stone = open_stone(target, "index", strictness=Strictness.CHECK)
        assert stone.definitions == {"a.kdl": "// ä", "b.kdl": "subscription b"}
        assert len(stone.published) == len(packages)


@pytest.mark.parametrize("raw", [b"{", b"[]", b'{"a.kdl":1}', b'{"../a.kdl":"x"}', b'{".kdl":"x"}', b'{"a":"x"}'])
def test_definitions_that_cannot_be_are_refused(raw: bytes) -> None:
    from moss.stone.container import Place
    from moss.stone.extras import SUBSCRIPTIONS, decode_definitions

    with pytest.raises(CorruptData, match=r"moss\.subscriptions/1"):
        decode_definitions({SUBSCRIPTIONS: raw}, Place("index", 0, "attributes"))
