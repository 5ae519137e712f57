"""One file for each kind of fault: its error's class, the place it names, and what it says."""

import io
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
import xxhash
import zstandard

from moss.errors import CorruptData, FormatTooNew, MossError, UsageError
from moss.stone import Limits, PayloadKind, Strictness, open_stone

from . import plainly
from .plainly import ATTRIBUTES, CONTENT, INDEX, LAYOUT, META, Part, plain_as, with_part
from .test_bit_flips import an_index

SMALL = plainly.small_stone()
HELLO = xxhash.xxh3_128(b"hello, world\n" * 3).digest()
REGULAR, SYMLINK, DIRECTORY = 1, 2, 3


def at(raw: bytes, offset: int, value: bytes) -> bytes:
    return raw[:offset] + value + raw[offset + len(value) :]


def meta(change: Callable[[bytes], bytes], records: int = 0) -> bytes:
    return with_part(SMALL, META, plain_as(change, records))


def more_meta(record: bytes) -> bytes:
    return meta(lambda plain: plain + record, 1)


def without_tag(tag: int) -> bytes:
    def change(plain: bytes) -> bytes:
        kept = [record for record in plainly.meta_records(plain) if record[0] != tag]
        return b"".join(plainly.meta_record(tag, value, kind) for tag, kind, value in kept)

    return meta(change, -1)


def meta_value(tag: int, value: bytes) -> bytes:
    def change(plain: bytes) -> bytes:
        return b"".join(
            plainly.meta_record(found, value if found == tag else old, kind)
            for found, kind, old in plainly.meta_records(plain)
        )

    return meta(change)


def more_layout(record: bytes) -> bytes:
    return with_part(SMALL, LAYOUT, plain_as(lambda plain: plain + record, 1))


def parts() -> list[Part]:
    return [part for part in plainly.take_apart(SMALL)[1] if part.kind != ATTRIBUTES]


def with_attributes(*records: bytes, count: int | None = None) -> bytes:
    part = Part(ATTRIBUTES, b"".join(records), len(records) if count is None else count)
    return plainly.put_together(1, [*parts(), part])


def changed(kind: int, **fields: object) -> bytes:
    return with_part(SMALL, kind, lambda part: replace(part, **fields))  # type: ignore[arg-type]


def frame(plain: bytes, **options: bool) -> bytes:
    return zstandard.ZstdCompressor(**options).compress(plain)  # type: ignore[arg-type]


def content_frame(make: Callable[[bytes], bytes]) -> bytes:
    return with_part(SMALL, CONTENT, lambda part: replace(part, stored=make(part.plain), compression=2))


def xattr(name: bytes, value: bytes) -> bytes:
    return struct.pack(">BH", len(name), len(value)) + name + value


def xattr_record(path: bytes, xattrs: bytes) -> bytes:
    return struct.pack(">HH", len(path), len(xattrs)) + path + xattrs


SOME_XATTRS = xattr(b"user.note", b"x")


@dataclass(frozen=True)
class Case:
    name: str
    raw: bytes
    says: str
    error: type[MossError] = CorruptData
    install_reads_it: bool = False


NAME_PROVIDER = b"\x00x\0"

CASES = [
    # the file header
    Case("nothing", b"", "cut short: 32 bytes should follow, 0 do"),
    Case("no stone", b"!<arch>\n" + bytes(40), "is not a stone"),
    Case("filler", at(SMALL, 10, b"\1"), "bytes 6 to 26"),
    Case("file type", at(SMALL, 27, b"\x09"), "file type 9 is not known", FormatTooNew),
    Case("delta", at(SMALL, 27, b"\x02"), "delta stone", FormatTooNew),
    Case("version 2", at(SMALL, 28, b"\0\0\0\2"), "format version is 2, this moss reads 1", FormatTooNew),
    Case("version 0", at(SMALL, 28, bytes(4)), "which never existed"),
    Case("too few payloads counted", at(SMALL, 4, b"\0\4"), "bytes follow the last payload"),
    Case(
        "too many payloads counted", at(SMALL, 4, b"\0\6"), "header of payload 6 of 6: the file is cut short"
    ),
    Case("trailing bytes", SMALL + b"\0", "bytes follow the last payload"),
    # payload headers
    Case("payload version", changed(LAYOUT, version=2), "version of the layout payload is 2", FormatTooNew),
    Case("payload version 0", changed(LAYOUT, version=0), "which never existed"),
    Case("compression", changed(LAYOUT, compression=3, stored=b"x"), "compression 3", FormatTooNew),
    Case("checksum", changed(META, checksum=bytes(8)), "meta payload: its checksum is wrong"),
    Case("content checksum", changed(CONTENT, checksum=bytes(8)), "content payload: its checksum is wrong"),
    Case("stored size beyond the end", changed(CONTENT, stored_size=1 << 20), "cut short"),
    Case("stored size beyond all", changed(META, stored_size=1 << 60), "bytes are stored"),
    Case("plain size", changed(META, plain_size=1 << 40), "the limit is"),
    Case(
        "uncompressed sizes",
        changed(META, compression=1, plain_size=7),
        "stored without compression, 7 announced",
    ),
    Case(
        "unknown payload",
        plainly.put_together(1, [*parts(), Part(77, b"from the future", 1)]),
        "payload kind 77 is not known",
        install_reads_it=True,
    ),
    # zstd
    Case("no frame", changed(META, compression=2, stored=b"garbage!"), "does not begin with a zstd frame"),
    Case(
        "frame's own size",
        with_part(SMALL, META, lambda part: replace(part, compression=2, stored=frame(part.plain + b"x"))),
        "its zstd frame announces",
    ),
    Case(
        "frame longer than announced",
        with_part(
            SMALL,
            META,
            lambda part: replace(
                part, compression=2, stored=frame(part.plain + b"x", write_content_size=False)
            ),
        ),
        "it unpacks to",
    ),
    Case(
        "frame shorter than announced",
        with_part(
            SMALL,
            META,
            lambda part: replace(
                part, compression=2, stored=frame(part.plain[:-1], write_content_size=False)
            ),
        ),
        "it unpacks to",
    ),
    Case("two frames", content_frame(lambda plain: frame(plain) + frame(b"")), "content payload"),
    Case("bytes after the frame", content_frame(lambda plain: frame(plain) + b"\0"), "content payload"),
    Case("frame cut short", content_frame(lambda plain: frame(plain)[:-1]), "content payload"),
    Case(
        "content longer than announced",
        content_frame(lambda plain: frame(plain + b"x", write_content_size=False)),
        "it unpacks to",
    ),
    # which payloads
    Case("no payloads", plainly.put_together(1, []), "exactly 1 meta payloads, this one has 0"),
    Case(
        "two metas",
        plainly.put_together(1, [*parts(), parts()[0]]),
        "exactly 1 meta payloads, this one has 2",
    ),
    Case("two layouts", plainly.put_together(1, [*parts(), parts()[1]]), "0 to 1 layout payloads"),
    Case("no content", with_part(SMALL, CONTENT, lambda _: None), "come together or not at all"),
    Case("no index", with_part(SMALL, INDEX, lambda _: None), "come together or not at all"),
    Case("no layout", with_part(SMALL, LAYOUT, lambda _: None), "belongs to no path"),
    Case(
        "content before the index",
        plainly.put_together(1, [*parts()[:2], parts()[3], parts()[2]]),
        "the content payload comes before the index payload",
    ),
    Case("index file with content", plainly.put_together(3, parts()), "a file of type index has exactly 0"),
    Case("manifest of nothing", plainly.put_together(4, []), "a file of type manifest has 1 to"),
    # meta records
    Case("meta record cut short", meta(lambda plain: plain + b"\0\0"), "record 10 is cut short"),
    Case("meta value cut short", meta(lambda plain: plain[:-1]), "(homepage) is cut short"),
    Case("meta record too many", meta(lambda plain: plain, 1), "it holds 9 records, its header says 10"),
    Case("meta padding", more_meta(plainly.meta_record(12, b"x\0", 9, 1)), "padding byte"),
    Case("value kind", more_meta(plainly.meta_record(12, b"x\0", 10)), "(license) has value kind 10"),
    Case("number of 4 bytes", meta_value(11, bytes(4)), "a number of 4 bytes"),
    Case("text without NUL", more_meta(plainly.meta_record(12, b"x", 9)), "does not end in NUL"),
    Case("text of nothing", more_meta(plainly.meta_record(12, b"", 9)), "does not end in NUL"),
    Case("text with NUL", more_meta(plainly.meta_record(12, b"x\0y\0", 9)), "holds a NUL"),
    Case("text not UTF-8", more_meta(plainly.meta_record(12, b"\xff\0", 9)), "not UTF-8"),
    Case("name twice", more_meta(plainly.meta_record(1, b"x\0", 9)), "gives the name twice"),
    Case("name missing", without_tag(1), "it lacks the name"),
    Case("release missing", without_tag(11), "it lacks the release"),
    Case("name with a slash", meta_value(1, b"../x\0"), "cannot be a package's name"),
    Case("name with a line break", meta_value(1, b"x\ny\0"), "cannot be a package's name"),
    Case("name of nothing", meta_value(1, b"\0"), "cannot be a package's name"),
    Case("version with a space", meta_value(3, b"1 0\0"), "cannot be a version"),
    Case("architecture", meta_value(2, b"x/y\0"), "cannot be a package's architecture"),
    Case("capability of nothing", more_meta(plainly.meta_record(9, b"\0", 11)), "does not end in NUL"),
    Case("capability without a name", more_meta(plainly.meta_record(9, b"\0\0", 11)), "is empty"),
    Case("capability that is empty", more_meta(plainly.meta_record(9, b"", 11)), "it is empty"),
    Case(
        "capability with an escape",
        more_meta(plainly.meta_record(9, b"\0\x1b[2J\0", 11)),
        "control characters",
    ),
    Case(
        "capability kind",
        more_meta(plainly.meta_record(9, b"\x09x\0", 11)),
        "capability kind 9 is not known",
        FormatTooNew,
    ),
    Case(
        "unknown tag",
        more_meta(plainly.meta_record(99, b"x", 9)),
        "has tag 99, which is not known",
        install_reads_it=True,
    ),
    Case(
        "URI in a package", more_meta(plainly.meta_record(14, b"x\0", 9)), "package uri, which has no place"
    ),
    Case(
        "build dependency in a package",
        more_meta(plainly.meta_record(17, NAME_PROVIDER, 10)),
        "build depends, which has no place",
    ),
    Case("index without URI", plainly.put_together(3, parts()[:1]), "it lacks the package uri"),
    # layout records
    Case(
        "layout record cut short", with_part(SMALL, LAYOUT, plain_as(lambda p: p + bytes(31), 1)), "cut short"
    ),
    Case(
        "layout text cut short", with_part(SMALL, LAYOUT, plain_as(lambda p: p[:-1])), "record 5 is cut short"
    ),
    Case("layout record too many", with_part(SMALL, LAYOUT, plain_as(lambda p: p, 2)), "its header says 7"),
    Case("layout tag", more_layout(plainly.layout_record(b"x", b"y", 2, 0o120777, tag=1)), "must be 0"),
    Case(
        "layout padding",
        more_layout(plainly.layout_record(b"x", b"y", 2, 0o120777, padding=b"\1" * 11)),
        "must be 0",
    ),
    Case(
        "path up", more_layout(plainly.layout_record(b"../etc/passwd", HELLO, 1, 0o100644)), "the part '..'"
    ),
    Case(
        "path up inside",
        more_layout(plainly.layout_record(b"a/../../b", HELLO, 1, 0o100644)),
        "the part '..'",
    ),
    Case("path up at the end", more_layout(plainly.layout_record(b"a/..", b"", 3, 0o40755)), "the part '..'"),
    Case(
        "absolute path",
        more_layout(plainly.layout_record(b"/etc/passwd", HELLO, 1, 0o100644)),
        "with a slash",
    ),
    Case("path with a dot", more_layout(plainly.layout_record(b"a/./b", HELLO, 1, 0o100644)), "the part '.'"),
    Case(
        "path with an empty part",
        more_layout(plainly.layout_record(b"a//b", HELLO, 1, 0o100644)),
        "the part ''",
    ),
    Case(
        "path that ends in a slash", more_layout(plainly.layout_record(b"a/", b"", 3, 0o40755)), "the part ''"
    ),
    Case("path of nothing", more_layout(plainly.layout_record(b"", HELLO, 1, 0o100644)), "it is empty"),
    Case("path with NUL", more_layout(plainly.layout_record(b"a\0b", HELLO, 1, 0o100644)), "holds a NUL"),
    Case(
        "path with a line break",
        more_layout(plainly.layout_record(b"a\nb", HELLO, 1, 0o100644)),
        "control character",
    ),
    Case(
        "path that ends in a line break",
        more_layout(plainly.layout_record(b"a\n", HELLO, 1, 0o100644)),
        "control",
    ),
    Case("path not UTF-8", more_layout(plainly.layout_record(b"\xff", HELLO, 1, 0o100644)), "not UTF-8"),
    Case(
        "name too long", more_layout(plainly.layout_record(b"a" * 256, HELLO, 1, 0o100644)), "longer than 255"
    ),
    Case(
        "path too long", more_layout(plainly.layout_record(b"a/" * 2048 + b"a", HELLO, 1, 0o100644)), "4095"
    ),
    Case(
        "path twice",
        more_layout(plainly.layout_record(b"share/a", HELLO, 1, 0o100644)),
        "'share/a' occurs twice",
    ),
    Case(
        "path below a symlink",
        more_layout(plainly.layout_record(b"share/c/d", HELLO, 1, 0o100644)),
        "'share/c/d' lies below 'share/c', which is no directory",
    ),
    Case(
        "file type 9", more_layout(plainly.layout_record(b"x", b"", 9, 0o100644)), "file type 9", FormatTooNew
    ),
    Case("mode of another type", more_layout(plainly.layout_record(b"x", HELLO, 1, 0o40755)), "mode 40755"),
    Case("mode beyond", more_layout(plainly.layout_record(b"x", HELLO, 1, 0o1100644)), "mode 1100644"),
    Case(
        "digest too short",
        more_layout(plainly.layout_record(b"x", HELLO[:15], 1, 0o100644)),
        "digest of 15 bytes",
    ),
    Case(
        "symlink to nothing", more_layout(plainly.layout_record(b"x", b"", 2, 0o120777)), "symlink to nothing"
    ),
    Case(
        "directory with content",
        more_layout(plainly.layout_record(b"x", b"y", 3, 0o40755)),
        "yet has content",
    ),
    Case(
        "digest not in the index",
        more_layout(plainly.layout_record(b"x", b"y" * 16, 1, 0o100644)),
        "'x' is not in",
    ),
    # the contents' index
    Case("index records", with_part(SMALL, INDEX, plain_as(lambda p: p + b"x")), "are not 2 records"),
    Case(
        "index does not begin at 0",
        with_part(SMALL, INDEX, plain_as(lambda p: plainly.index_record(1, 39, HELLO) + p[32:])),
        "record 1 covers bytes 1 to 39, not from 0 on",
    ),
    Case(
        "index with a gap",
        with_part(SMALL, INDEX, plain_as(lambda p: p[:32] + plainly.index_record(40, 40, p[48:64]))),
        "record 2 covers bytes 40 to 40, not from 39 on",
    ),
    Case(
        "index backwards",
        with_part(SMALL, INDEX, plain_as(lambda p: p[:32] + plainly.index_record(39, 38, p[48:64]))),
        "record 2 covers",
    ),
    Case(
        "content twice",
        with_part(SMALL, INDEX, plain_as(lambda p: p + plainly.index_record(39, 39, HELLO), 1)),
        "a content occurs twice",
    ),
    Case(
        "content of no path",
        with_part(
            changed(CONTENT, records=0),
            INDEX,
            plain_as(lambda p: p + plainly.index_record(39, 39, b"z" * 16), 1),
        ),
        "belongs to no path",
    ),
    Case(
        "content that is longer than the index",
        with_part(SMALL, CONTENT, plain_as(lambda p: p + b"x")),
        "it unpacks to 40 bytes, the index covers 39",
    ),
    Case("count of contents", changed(CONTENT, records=7), "it announces 7 contents, the index lists 2"),
    Case(
        "content with other bytes",
        with_part(SMALL, CONTENT, plain_as(lambda p: b"j" + p[1:])),
        f"the content with digest {HELLO.hex()} has other bytes",
    ),
    # attributes
    Case("attribute cut short", with_attributes(bytes(15)), "record 1 is cut short"),
    Case(
        "attribute value cut short",
        with_attributes(plainly.attribute(b"k", b"v")[:-1]),
        "record 1 is cut short",
    ),
    Case("attribute of 2^63 bytes", with_attributes(b"\x80" + bytes(7) + b"\x80" + bytes(7)), "cut short"),
    Case("attribute count", with_attributes(plainly.attribute(b"k", b"v"), count=2), "its header says 2"),
    Case("attribute twice", with_attributes(*[plainly.attribute(b"k", b"v")] * 2), "'k' occurs twice"),
    Case(
        "attribute without a key", with_attributes(plainly.attribute(b"", b"v")), "empty or unprintable key"
    ),
    Case("attribute key", with_attributes(plainly.attribute(b"\x1b", b"v")), "empty or unprintable key"),
    Case("attribute key not UTF-8", with_attributes(plainly.attribute(b"\xff", b"v")), "not UTF-8"),
    Case(
        "census",
        with_attributes(plainly.attribute(b"moss.census/1", bytes(16))),
        "not those it was written with",
    ),
    Case("relations", with_attributes(plainly.attribute(b"moss.relations/1", b"{")), "is not JSON"),
    Case(
        "relations, deep",
        with_attributes(plainly.attribute(b"moss.relations/1", b"[" * 100_000)),
        "is not JSON",
    ),
    Case(
        "relations, a list",
        with_attributes(plainly.attribute(b"moss.relations/1", b"[]")),
        "not a JSON object",
    ),
    Case(
        "relations, a word",
        with_attributes(plainly.attribute(b"moss.relations/1", b'{"likes":["x"]}')),
        "unknown word 'likes'",
    ),
    Case(
        "relations, no texts",
        with_attributes(plainly.attribute(b"moss.relations/1", b'{"depends":"x"}')),
        "'depends' is not a list of texts",
    ),
    Case(
        "relations, another multi-arch",
        with_attributes(plainly.attribute(b"moss.relations/1", b'{"multi-arch":["same"]}')),
        "'multi-arch' is not ['foreign']",
    ),
    Case(
        "relations, no formula",
        with_attributes(plainly.attribute(b"moss.relations/1", b'{"depends":["x ("]}')),
        "attribute moss.relations/1: expected",
    ),
    Case(
        "provides with a range",
        with_attributes(plainly.attribute(b"moss.relations/1", b'{"provides":["x (> 1)"]}')),
        "a capability, perhaps with '(= version)'",
    ),
    Case(
        "conflict that is a formula",
        with_attributes(plainly.attribute(b"moss.relations/1", b'{"conflicts":["x | y"]}')),
        "one capability, not a formula",
    ),
    *(
        Case(f"xattrs, {name}", with_attributes(plainly.attribute(b"moss.xattrs/1", value)), said)
        for name, value, said in (
            ("cut short", b"\0\x09\0", "is cut short"),
            ("none of a file", xattr_record(b"bin/hello", b""), "says nothing of a file"),
            ("no such file", xattr_record(b"bin/absent", SOME_XATTRS), "'bin/absent' is no file"),
            ("of a directory", xattr_record(b"lib/empty", SOME_XATTRS), "'lib/empty' is no file"),
            ("twice", 2 * xattr_record(b"bin/hello", SOME_XATTRS), "in order, each once"),
            ("a set cut short", xattr_record(b"bin/hello", SOME_XATTRS[:-1]), "not in order, each once"),
            ("a set's head cut short", xattr_record(b"bin/hello", b"\6"), "cut short or not UTF-8"),
            ("a name twice", xattr_record(b"bin/hello", 2 * SOME_XATTRS), "not in order, each once"),
            ("of an overlay", xattr_record(b"bin/hello", xattr(b"user.overlay.opaque", b"y")), "none that belongs"),
            ("trusted", xattr_record(b"bin/hello", xattr(b"trusted.x", b"y")), "none that belongs"),
            ("no name", xattr_record(b"bin/hello", xattr(b"user.", b"y")), "no proper name"),
            ("no capabilities", xattr_record(b"bin/hello", xattr(b"security.capability", b"y")), "no set of file cap"),
            ("too many", xattr_record(b"bin/hello", xattr(b"user.x", bytes(2043))), "take 2049 bytes"),
        )
    ),
    Case(
        "xattrs of a later version",
        with_attributes(plainly.attribute(b"moss.xattrs/2", b"")),
        "'moss.xattrs/2' is of a version that is not known",
        FormatTooNew,
    ),
    Case(
        "relations of a later version",
        with_attributes(plainly.attribute(b"moss.relations/2", b"{}")),
        "'moss.relations/2' is of a version that is not known",
        FormatTooNew,
    ),
    Case(
        "scheme",
        with_attributes(plainly.attribute(b"moss.version-scheme/1", b"arch")),
        "is no scheme that moss knows",
        FormatTooNew,
    ),
    Case("source", with_attributes(plainly.attribute(b"moss.source/1", b"md5:12")), "is not 'sha256:'"),
]


def whole(raw: bytes, strictness: Strictness) -> None:
    for content in open_stone(io.BytesIO(raw), "bad.stone", strictness=strictness).contents():
        for _ in content.chunks():
            pass


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_malformed_stone_is_refused_with_its_place(case: Case) -> None:
    with pytest.raises(case.error) as caught:
        whole(case.raw, Strictness.CHECK)
    assert type(caught.value) is case.error
    assert caught.value.message.startswith("bad.stone: ")
    assert case.says in caught.value.message
    assert caught.value.remedies
    if isinstance(caught.value, CorruptData) and case.name != "no stone":
        assert caught.value.offset is not None
        assert 0 <= caught.value.offset <= len(case.raw)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_installing_is_as_strict_but_for_what_it_may_skip(case: Case) -> None:
    if case.install_reads_it:
        whole(case.raw, Strictness.INSTALL)
    else:
        with pytest.raises(case.error):
            whole(case.raw, Strictness.INSTALL)


@pytest.mark.parametrize("one_shot", [0, 1 << 30], ids=["streamed", "at once"])
def test_every_malformed_content_is_refused_both_ways(one_shot: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moss.stone.reader.ONE_SHOT", one_shot)
    for case in CASES:
        with pytest.raises(case.error):
            whole(case.raw, Strictness.CHECK)


def test_old_texts_that_end_in_nul_are_read() -> None:
    raw = more_layout(plainly.layout_record(b"x\0", b"y\0", 2, 0o120777))
    entry = open_stone(io.BytesIO(raw), "old").layout[-1]
    assert (entry.path, entry.link_target) == ("x", "y")


def test_payloads_may_come_in_any_order_but_index_before_content() -> None:
    meta_part, layout, index, content = parts()
    attributes = Part(ATTRIBUTES, plainly.attribute(b"moss.version-scheme/1", b"rpm"), 1)
    raw = plainly.put_together(1, [index, content, attributes, layout, meta_part])
    whole(raw, Strictness.CHECK)
    assert open_stone(io.BytesIO(raw), "mixed").metadata.scheme.name == "RPM"


def test_an_index_is_judged_as_a_whole_by_the_check() -> None:
    kind, (a, b, attributes) = plainly.take_apart(an_index())
    stray = Part(ATTRIBUTES, plainly.attribute(b"0" * 64 + b"/moss.source/1", b"sha256:" + b"0" * 64), 1)
    for payloads, said in (
        ([b, a], "not sorted by name"),
        ([a, a, b], "is listed 2 times"),
        ([a, b, stray], "belongs to no package that is listed"),
    ):
        raw = plainly.put_together(kind, payloads)
        with pytest.raises(CorruptData, match=said):
            open_stone(io.BytesIO(raw), "stone.index", strictness=Strictness.CHECK)
        open_stone(io.BytesIO(raw), "stone.index")
    assert attributes.records == 7


@pytest.mark.parametrize(
    ("tag", "value"), [(14, b"\0"), (14, b"a\nb\0"), (15, b"abc\0"), (15, b"A" * 64 + b"\0")]
)
def test_an_index_says_where_its_stones_are(tag: int, value: bytes) -> None:
    kind, (first, *_) = plainly.take_apart(an_index())
    records = plainly.meta_records(first.plain)
    plain = b"".join(
        plainly.meta_record(found, value if found == tag else old, value_kind)
        for found, value_kind, old in records
    )
    with pytest.raises(CorruptData, match=r"cannot be the place of a stone|is not a SHA-256"):
        open_stone(io.BytesIO(plainly.put_together(kind, [Part(META, plain, len(records))])), "stone.index")


def test_what_is_no_package_has_no_metadata() -> None:
    with pytest.raises(UsageError, match="is not a package: its file type is index"):
        _ = open_stone(io.BytesIO(an_index()), "stone.index").metadata


def test_a_window_above_the_limit_is_refused_before_it_is_allocated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moss.stone.reader.ONE_SHOT", 0)
    # A frame's header: no single segment, no size, a window of 2^(10+21) bytes; then an empty last block.
    header = bytes.fromhex("28b52ffd") + bytes([0, 21 << 3])
    stone = content_frame(lambda plain: header + (len(plain) << 3 | 1).to_bytes(3, "little") + plain)
    with pytest.raises(CorruptData, match="a window of 2147483648 bytes in memory, the limit is 536870912"):
        whole(stone, Strictness.INSTALL)


def test_limits_are_the_callers_choice() -> None:
    limits = Limits(plain=dict.fromkeys(PayloadKind, 1 << 20) | {PayloadKind.CONTENT: 38})
    with pytest.raises(CorruptData, match="would unpack to 39 bytes, the limit is 38"):
        open_stone(io.BytesIO(SMALL), "a", limits=limits)


def test_a_bomb_never_becomes_more_than_was_announced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moss.stone.reader.ONE_SHOT", 0)
    # 4 GiB of zeros in runs of one byte: 128 KiB in each block of four bytes.
    block, last = (
        ((128 << 10) << 3 | 2).to_bytes(3, "little") + b"\0",
        (1 << 3 | 3).to_bytes(3, "little") + b"\0",
    )
    bomb = bytes.fromhex("28b52ffd") + bytes([0, 7 << 3]) + block * 32768 + last
    with pytest.raises(CorruptData, match="other bytes"):
        whole(content_frame(lambda _: bomb), Strictness.INSTALL)
    with pytest.raises(CorruptData, match=r"damaged|it unpacks to"):
        whole(
            with_part(SMALL, META, lambda part: replace(part, stored=bomb, compression=2)), Strictness.INSTALL
        )


def test_every_kind_of_payload_has_its_limit() -> None:
    assert set(Limits().plain) == set(PayloadKind)
