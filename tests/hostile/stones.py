"""Malicious stones and indexes: what a repository that nobody vouches for may offer."""

import struct
from collections.abc import Callable, Iterator
from dataclasses import replace

import zstandard

from moss.digest import PackageDigest
from moss.package import Published
from moss.stone.repository_index import write_index_file
from tests.builders import metadata
from tests.hostile.world import Attack, Prepare, World
from tests.stone import plainly
from tests.stone.plainly import ATTRIBUTES, CONTENT, INDEX, LAYOUT, META, Part, plain_as, with_part

REGULAR, SYMLINK, DIRECTORY, CHARACTER, BLOCK, FIFO, SOCKET = range(1, 8)
SMALL = plainly.small_stone()
HELLO = next(iter(struct.iter_unpack(">QQ16s", plainly.part_of(SMALL, INDEX).plain)))[2]


def stone(raw: bytes) -> Prepare:
    """To be installed."""

    def prepare(world: World) -> tuple[str, ...]:
        world.offers(raw)
        return ("install", "-y", "small")

    return prepare


def entry(path: bytes, kind: int = REGULAR, source: bytes = HELLO) -> bytes:
    modes = {REGULAR: 0o100644, SYMLINK: 0o120777, DIRECTORY: 0o40755, CHARACTER: 0o20644, BLOCK: 0o60644,
             FIFO: 0o10644, SOCKET: 0o140644}  # fmt: skip
    return plainly.layout_record(path, source, kind, modes[kind])


def more(*records: bytes) -> bytes:
    """The small stone with these paths too."""
    return with_part(SMALL, LAYOUT, plain_as(lambda plain: plain + b"".join(records), len(records)))


def value(tag: int, content: bytes) -> bytes:
    def change(plain: bytes) -> bytes:
        return b"".join(
            plainly.meta_record(found, content if found == tag else old, kind)
            for found, kind, old in plainly.meta_records(plain)
        )

    return with_part(SMALL, META, plain_as(change))


def zeros(size: int, **more: int) -> bytes:
    """A frame of so many zero bytes, made piece by piece."""
    options = zstandard.ZstdCompressionParameters.from_level(1, **more) if more else None
    compressor = zstandard.ZstdCompressor(compression_params=options) if options else zstandard.ZstdCompressor(level=1)
    stream = compressor.compressobj(size=size)
    piece = bytes(1 << 20)
    return b"".join(stream.compress(piece) for _ in range(size >> 20)) + stream.flush()


def bomb(kind: int, size: int, records: int = 1) -> bytes:
    """A payload that becomes so many zero bytes, as it says."""
    return with_part(SMALL, kind, lambda part: replace(
        part, stored=zeros(size), plain_size=size, compression=2, records=records
    ))  # fmt: skip


def silent_bomb(kind: int, size: int) -> bytes:
    """A payload that says it is as small as before; its frame says nothing, and becomes so many zero bytes."""
    stream = zstandard.ZstdCompressor(level=1).compressobj()
    stored = b"".join(stream.compress(bytes(1 << 20)) for _ in range(size >> 20)) + stream.flush()
    return with_part(SMALL, kind, lambda part: replace(part, stored=stored, compression=2))


def attributes(*records: bytes) -> bytes:
    parts = [part for part in plainly.take_apart(SMALL)[1] if part.kind != ATTRIBUTES]
    return plainly.put_together(1, [*parts, Part(ATTRIBUTES, b"".join(records), len(records))])


def attribute_bomb(size: int) -> bytes:
    parts = [part for part in plainly.take_apart(SMALL)[1] if part.kind != ATTRIBUTES]
    return plainly.put_together(1, [*parts, Part(ATTRIBUTES, b"", 1, 2, stored=zeros(size), plain_size=size)])


def wide_window() -> bytes:
    """Content that can only be unpacked with half a gigabyte of memory."""
    size = 1 << 29
    return with_part(SMALL, CONTENT, lambda part: replace(
        part, stored=zeros(size, window_log=29), plain_size=size, compression=2
    ))  # fmt: skip


def many_records(kind: int, count: int) -> bytes:
    return with_part(SMALL, kind, lambda part: replace(part, records=count))


STONES: list[tuple[str, Callable[[], bytes]]] = [
    ("an absolute path", lambda: more(entry(b"/etc/passwd"))),
    ("a path that leads out", lambda: more(entry(b"../../outside/new"))),
    ("a path that leads out and in", lambda: more(entry(b"lib/../../outside/new"))),
    ("a path of one dot", lambda: more(entry(b"."))),
    ("an empty path", lambda: more(entry(b""))),
    ("a path with an empty part", lambda: more(entry(b"lib//x"))),
    ("a path with NUL", lambda: more(entry(b"lib/a\0b"))),
    ("a path that is no UTF-8", lambda: more(entry(b"lib/\xff\xfe"))),
    ("a file through a link", lambda: more(entry(b"out", SYMLINK, b"../../outside"), entry(b"out/new"))),
    ("a file below a file", lambda: more(entry(b"share/a/b"))),
    ("a path twice", lambda: more(entry(b"share/a"))),
    ("a file where a directory is", lambda: more(entry(b"lib"), entry(b"lib/x"))),
    ("a character device", lambda: more(entry(b"share/null", CHARACTER, b""))),
    ("a block device", lambda: more(entry(b"share/disk", BLOCK, b""))),
    ("a FIFO", lambda: more(entry(b"share/fifo", FIFO, b""))),
    ("a socket", lambda: more(entry(b"share/socket", SOCKET, b""))),
    ("a part of a path that is too long", lambda: more(entry(b"x" * 300))),
    ("a very deep path", lambda: more(entry(b"/".join([b"d"] * 30_000)))),
    ("moss's own file", lambda: more(entry(b".stateID"))),
    ("a link without text", lambda: more(entry(b"share/link", SYMLINK, b""))),
    ("a name that leads out", lambda: value(1, b"../../outside\0")),
    ("a name with a newline and an escape", lambda: value(1, b"a\n\x1b[2Jb\0")),
    ("a version with an escape", lambda: value(3, b"1\x1b]0;owned\x07\0")),
    ("a record longer than its payload", lambda: with_part(SMALL, META, plain_as(
        lambda plain: plain + struct.pack(">IHBB", 0xFFFFFFFF, 1, 9, 0), 1
    ))),
    ("a payload of a terabyte", lambda: with_part(SMALL, META, lambda part: replace(part, plain_size=1 << 40))),
    ("meta that swell", lambda: bomb(META, 1 << 30)),
    ("a layout that swells", lambda: bomb(LAYOUT, 200 << 20, 5_000_000)),
    ("an index that swells", lambda: bomb(INDEX, 200 << 20, (200 << 20) // 32)),
    ("content that swells", lambda: bomb(CONTENT, 8 << 30)),
    ("attributes that swell", lambda: attribute_bomb(400 << 20)),
    ("meta that swell and do not say so", lambda: silent_bomb(META, 1 << 30)),
    ("content that swells and does not say so", lambda: silent_bomb(CONTENT, 1 << 30)),
    ("content with a wide window", wide_window),
    ("four billion records", lambda: many_records(META, 0xFFFFFFFF)),
    ("four billion paths", lambda: many_records(LAYOUT, 0xFFFFFFFF)),
    ("65,535 payloads", lambda: SMALL[:4] + b"\xff\xff" + SMALL[6:]),
    ("bytes behind its end", lambda: SMALL + bytes(100)),
    ("content of another digest", lambda: with_part(SMALL, CONTENT, plain_as(lambda plain: b"H" + plain[1:]))),
    ("a range beyond the content", lambda: with_part(SMALL, INDEX, plain_as(
        lambda plain: plainly.index_record(0, 1 << 62, HELLO) + plain[32:]
    ))),
    ("a range that goes backwards", lambda: with_part(SMALL, INDEX, plain_as(
        lambda plain: plainly.index_record(9, 0, HELLO) + plain[32:]
    ))),
    ("an attribute longer than all", lambda: attributes(struct.pack(">QQ", 1 << 63, 1 << 63))),
    ("relations nested without end", lambda: attributes(
        plainly.attribute(b"moss.relations/1", b"[" * 200_000)
    )),
    ("relations that are no text", lambda: attributes(plainly.attribute(b"moss.relations/1", b"\xff\xfe{"))),
]  # fmt: skip


def published(name: str, **changes: object) -> Published:
    about = metadata(name)
    return replace_published(Published(about, f"{name}.stone", PackageDigest("0" * 64), 100), **changes)


def replace_published(one: Published, **changes: object) -> Published:
    from solver.values import replace as replace_value

    return replace_value(one, **changes)


def index_of(world: World, *packages: Published) -> bytes:
    path = world.files / "sound"
    write_index_file(str(path), packages)
    return path.read_bytes()


def index(change: Callable[[World], bytes]) -> Prepare:
    """To be read as a repository's."""

    def prepare(world: World) -> tuple[str, ...]:
        world.write("stone.index", change(world))
        return ("repo", "add", "evil", str(world.files / "stone.index"), "--unsigned")

    return prepare


def index_value(tag: int, content: bytes) -> Prepare:
    def change(world: World) -> bytes:
        raw = index_of(world, published("small"))

        def meta(plain: bytes) -> bytes:
            return b"".join(
                plainly.meta_record(found, content if found == tag else old, kind)
                for found, kind, old in plainly.meta_records(plain)
            )

        return with_part(raw, META, plain_as(meta))

    return index(change)


def elsewhere(uri: str) -> Prepare:
    """An index that names a stone at another place."""

    def prepare(world: World) -> tuple[str, ...]:
        world.offers(SMALL, uri=uri)
        return ("install", "-y", "small")

    return prepare


def index_bomb(world: World) -> bytes:
    return plainly.put_together(3, [Part(META, b"", 1, 2, stored=zeros(1 << 30), plain_size=1 << 30)])


def many_bombs(world: World) -> bytes:
    """Each payload within its limit, all of them together not."""
    part = Part(META, b"", 1, 2, stored=zeros(15 << 20), plain_size=15 << 20)
    return plainly.put_together(3, [part] * 2000)


def empty_packages(world: World) -> bytes:
    return plainly.put_together(3, [Part(META, b"", 0)] * 65_535)


def nested_definitions(world: World) -> bytes:
    raw = index_of(world, published("small"))
    kind, parts = plainly.take_apart(raw)
    nested = Part(ATTRIBUTES, plainly.attribute(b"moss.subscriptions/1", b"[" * 200_000), 1)
    return plainly.put_together(kind, [*parts, nested])


def attacks() -> Iterator[Attack]:
    may_install = {"a very deep path", "a version with an escape"}
    for name, make in STONES:
        made = make
        codes = (0, 1, 3, 7, 9, 11) if name in may_install else (1, 2, 3, 7, 9, 11)
        yield Attack("stone", name, lambda world, made=made: stone(made())(world), codes, name not in may_install)  # type: ignore[misc]
    yield Attack("stone", "another size than the index says", _other_size, (7,))
    yield Attack("stone", "another package than the index says", _other_package, (7,))
    for name, prepare, codes in [
        ("a stone of another machine's file", elsewhere("file://other/etc/passwd"), (7,)),
        ("a stone over another scheme", elsewhere("http://127.0.0.1:9/x"), (7,)),
        ("a stone in nobody's place", elsewhere("../outside/precious"), (7,)),
        ("a stone that is a device", elsewhere("../../../../../../../../../../../../dev/zero"), (3, 7)),
        ("a name that leads out", index_value(1, b"../../outside\0"), (7,)),
        ("a name with a newline and an escape", index_value(1, b"a\n\x1b[2Jb\0"), (7,)),
        ("a summary with an escape", index_value(4, b"s\x1b[2J\n\0"), (0, 7)),
        ("a digest that is none", index_value(15, b"../../outside/precious\0"), (7,)),
        ("a size without end", index_value(16, b"\xff" * 8), (0, 7)),
        ("a packages file that is a stone", index(lambda _: SMALL), (7,)),
        ("meta that swell", index(index_bomb), (7,)),
        ("many payloads that swell together", index(many_bombs), (7,)),
        ("65,535 packages without a name", index(empty_packages), (7,)),
        ("text about packages nested without end", index(nested_definitions), (0, 7)),
        ("one that was cut", index(lambda world: index_of(world, published("small"))[:-5]), (7,)),
        ("a package twice", index(lambda world: _twice(index_of(world, published("small")))), (0, 7)),
    ]:
        yield Attack("index", name, prepare, codes)


def _twice(raw: bytes) -> bytes:
    kind, parts = plainly.take_apart(raw)
    return plainly.put_together(kind, [part for part in parts if part.kind == META] * 2)


def _other_size(world: World) -> tuple[str, ...]:
    world.offers(SMALL, size=1 << 50)
    return ("install", "-y", "small")


def _other_package(world: World) -> tuple[str, ...]:
    world.offers(SMALL, metadata("bash", "9"))
    return ("install", "-y", "bash")
