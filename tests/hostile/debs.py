"""Malicious Debian packages and indexes of them."""

import gzip
import io
import lzma
import tarfile
import zlib
from collections.abc import Callable, Iterator

import lz4.frame
import zstandard

from tests.foreign.debmaker import CONTROL, Deb, Item, ar, folder, hard_link, link, tar
from tests.hostile.stones import zeros
from tests.hostile.world import Attack, Prepare, World

SOUND = Deb((folder("./usr/"), Item("./usr/tool", b"tool")))
GIGABYTE = 1 << 30
OF_OTHERS = b"Package: x\nArchitecture: vax\n\n"


def deb(make: Callable[[], bytes]) -> Prepare:
    """To be converted into a folder."""

    def prepare(world: World) -> tuple[str, ...]:
        path = world.write("evil.deb", make())
        return ("convert", str(path), "-o", str(world.folder / "made"))

    return prepare


def files(*items: Item, form: int = tarfile.GNU_FORMAT) -> bytes:
    return Deb((folder("./usr/"), *items), form=form).bytes()


def data(name: str, content: bytes) -> bytes:
    return ar([*SOUND.members()[:2], (name, content)])


def with_control(name: str, content: bytes) -> bytes:
    return ar([SOUND.members()[0], (name, content), SOUND.members()[2]])


def control(text: str) -> bytes:
    return Deb(SOUND.files, fields=text).bytes()


def gzipped(size: int) -> bytes:
    made = io.BytesIO()
    with gzip.GzipFile(fileobj=made, mode="wb", compresslevel=1) as stream:
        for _ in range(size >> 20):
            stream.write(bytes(1 << 20))
    return made.getvalue()


def xz(size: int, preset: int = 0) -> bytes:
    stream = lzma.LZMACompressor(preset=preset)
    return b"".join(stream.compress(bytes(1 << 20)) for _ in range(size >> 20)) + stream.flush()


def big_dictionary() -> bytes:
    """What says in its header that it needs a dictionary of 4 GiB."""
    raw = bytearray(lzma.compress(b"x", preset=0))
    raw[16] = 40
    raw[20:24] = zlib.crc32(bytes(raw[12:20])).to_bytes(4, "little")
    return bytes(raw)


def file_of(size: int) -> bytes:
    """A tar's header of a file with so many bytes, and none of them."""
    header = tarfile.TarInfo("./usr/big")
    header.size = size
    return header.tobuf(tarfile.GNU_FORMAT)


def many_files() -> bytes:
    header = tarfile.TarInfo("./usr/x").tobuf(tarfile.GNU_FORMAT)
    stream = zstandard.ZstdCompressor(level=1).compressobj()
    return b"".join(stream.compress(header * 2048) for _ in range(1000)) + stream.flush()


def long_name() -> bytes:
    header = tarfile.TarInfo("././@LongLink")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 1 << 33
    return header.tobuf(tarfile.GNU_FORMAT)


DEBS: list[tuple[str, Callable[[], bytes], tuple[int, ...]]] = [
    ("a path that leads out", lambda: files(Item("./../../outside/new", b"x")), (7,)),
    ("a path that leads out below usr", lambda: files(Item("./usr/../../outside/new", b"x")), (7,)),
    ("an absolute path", lambda: files(Item("/outside/new", b"x")), (0, 7)),
    ("a file through a link", lambda: files(link("./usr/out", "/"), Item("./usr/out/new", b"x")), (0, 7)),
    ("a hard link to what is outside", lambda: files(hard_link("./usr/x", "../../../outside/precious")), (7,)),
    ("a hard link to an absolute path", lambda: files(hard_link("./usr/x", "/etc/passwd")), (7,)),
    ("a hard link to itself", lambda: files(hard_link("./usr/x", "./usr/x")), (7,)),
    ("a device", lambda: files(Item("./usr/null", type=tarfile.CHRTYPE)), (0, 7)),
    ("a FIFO", lambda: files(Item("./usr/fifo", type=tarfile.FIFOTYPE)), (0, 7)),
    ("a path twice", lambda: files(Item("./usr/x", b"1"), Item("./usr/x", b"2")), (7,)),
    ("a path with a newline and an escape", lambda: files(Item("./usr/a\n\x1b[2Jb", b"x")), (0, 7)),
    ("a link with an escape", lambda: files(link("./usr/a", "\x1b]0;owned\x07")), (0, 7)),
    ("a very deep path", lambda: files(Item("./usr/" + "d/" * 30_000 + "x", b"")), (0, 7)),
    ("a pax size that lies", lambda: files(
        Item("./usr/x", b"x", pax={"size": "99999999999999"}), form=tarfile.PAX_FORMAT
    ), (7,)),
    ("a pax path that leads out", lambda: files(
        Item("./usr/x", b"x", pax={"path": "../../outside/new"}), form=tarfile.PAX_FORMAT
    ), (7,)),
    ("data that swell, gzip", lambda: data("data.tar.gz", gzipped(GIGABYTE)), (0, 7)),
    ("data that swell, xz", lambda: data("data.tar.xz", xz(GIGABYTE)), (0, 7)),
    ("data that swell, zstd", lambda: data("data.tar.zst", zeros(GIGABYTE)), (0, 7)),
    ("control that swells", lambda: with_control("control.tar.gz", gzipped(GIGABYTE)), (7,)),
    ("xz that asks for four gigabytes", lambda: data("data.tar.xz", big_dictionary()), (7,)),
    ("zstd with a wide window", lambda: data("data.tar.zst", zeros(1 << 29, window_log=30)), (7,)),
    ("a file of eight exabytes", lambda: data("data.tar", file_of((1 << 63) - 1)), (7,)),
    ("two million files", lambda: data("data.tar.zst", many_files()), (7,)),
    ("a name of eight gigabytes", lambda: data("data.tar", long_name()), (7,)),
    ("a member that lies about its size", lambda: SOUND.bytes().replace(b"4         `\n", b"9999999999`\n", 1), (7,)),
    ("a package name that leads out", lambda: control(CONTROL.replace("tool", "../../outside/x", 1)), (7,)),
    ("a package name with an escape", lambda: control(CONTROL.replace("tool", "a\x1b[2Jb", 1)), (7,)),
    ("a version that leads out", lambda: control(CONTROL.replace("1.0-1", "../../../outside/1")), (7,)),
    ("a field of many megabytes", lambda: control(CONTROL + f"Depends: {'a, ' * 4_000_000}a\n"), (0, 7)),
    ("relations nested without end", lambda: control(CONTROL + f"Depends: {'a | ' * 100_000}a\n"), (0, 7)),
    ("a control file that is a device", lambda: with_control("control.tar", tar([
        Item("./control", type=tarfile.CHRTYPE)
    ])), (7,)),
]  # fmt: skip


PARAGRAPH = """\
Package: tool
Version: 1
Architecture: all
Filename: pool/tool.deb
Size: 10
SHA256: {digest}
Description: a tool
"""


def packages(content: bytes, ending: str = "", *, then: tuple[str, ...] = ()) -> Prepare:
    """To be read as an apt repository's."""

    def prepare(world: World) -> tuple[str, ...]:
        world.write(f"dists/stable/main/binary-amd64/Packages{ending}", content)
        add = ("repo", "add", "evil", f"apt+file:{world.files}", "--unsigned", "--arch", "amd64")
        if not then:
            return add
        world.done(*add)
        return then

    return prepare


def packages_made(make: Callable[[], bytes], ending: str = "") -> Prepare:
    """Those that are only made where they are tried."""
    return lambda world: packages(make(), ending)(world)


def paragraph(*changes: tuple[str, str]) -> bytes:
    text = PARAGRAPH.format(digest="0" * 64)
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    return text.encode("utf-8", "surrogateescape")


def chained(count: int) -> bytes:
    """Each needs the next: deep for who follows it by recursion."""
    return b"\n".join(
        paragraph(
            ("Package: tool", f"Package: p{n}"), ("0" * 64, f"{n:064x}"),
            ("Description", f"Depends: p{n + 1}\nDescription"),
        ) for n in range(count)
    )


ENDLESS = b"Package: tool\nDescription: x"
MANY = ", ".join(f"p{number}" for number in range(200_000))


def with_field(name: str, text: str) -> Prepare:
    return packages(paragraph(("Description", f"{name}: {text}\nDescription")))


PACKAGES: list[tuple[str, Prepare, tuple[int, ...]]] = [
    ("a file that leads out", packages(
        paragraph(("pool/tool.deb", "../../../outside/precious")), then=("install", "-y", "tool")
    ), (7,)),
    ("an absolute file", packages(paragraph(("pool/tool.deb", "/etc/passwd")), then=("install", "-y", "tool")), (7,)),
    ("a name with an escape", packages(paragraph(("tool", "a\x1b[2Jb"))), (7,)),
    ("a summary with an escape", packages(
        paragraph(("a tool", "a \x1b]0;owned\x07 tool")), then=("search", "tool")
    ), (0, 7)),
    ("a size without end", packages(paragraph(("Size: 10", "Size: " + "9" * 5000))), (7,)),
    ("a negative size", packages(paragraph(("Size: 10", "Size: -1"))), (7,)),
    ("a digest that is none", packages(paragraph(("0" * 64, "../" * 20 + "zzzz"))), (7,)),
    ("a paragraph without end", packages_made(lambda: ENDLESS + b"x" * (60 << 20)), (7,)),
    ("a paragraph of folded lines without end", packages_made(lambda: ENDLESS + b"\n x" * (8 << 20)), (7,)),
    ("NUL bytes", packages(paragraph(("a tool", "a\0tool"))), (0, 7)),
    ("no UTF-8", packages(paragraph(("a tool", "a \udcff\udcfe tool"))), (0, 7)),
    ("alternatives without end", with_field("Depends", "a | " * 200_000 + "a"), (0, 7)),
    ("provides without end", with_field("Provides", MANY), (0, 7)),
    ("brackets without end", with_field("Depends", "a " + "(" * 500_000), (0, 7)),
    ("a chain of two thousand", packages(chained(2_000), then=("install", "-n", "p0")), (4,)),
    ("a swelling gzip", packages_made(lambda: gzipped(GIGABYTE), ".gz"), (7,)),
    ("paragraphs without end", packages_made(lambda: gzip.compress(OF_OTHERS * (1 << 23), 1), ".gz"), (7,)),
    ("empty lines without end", packages_made(lambda: gzip.compress(b"\n" * (GIGABYTE >> 2), 1), ".gz"), (7,)),
    ("a field twice", packages(paragraph(("Size: 10", "Size: 10\nVersion: 2"))), (7,)),
    ("a package twice", packages(paragraph() + b"\n" + paragraph(("a tool", "another tool"))), (0,)),
    ("a swelling xz", packages_made(lambda: xz(GIGABYTE), ".xz"), (7,)),
    ("a swelling zstd", packages_made(lambda: zeros(GIGABYTE), ".zst"), (7,)),
    ("a swelling lz4", packages_made(lambda: lz4.frame.compress(bytes(GIGABYTE)), ".lz4"), (7,)),
    ("a zstd with a wide window", packages_made(lambda: zeros(1 << 29, window_log=30), ".zst"), (7,)),
    ("an xz that asks for four gigabytes", packages(big_dictionary(), ".xz"), (7,)),
]  # fmt: skip


def attacks() -> Iterator[Attack]:
    for name, make, codes in DEBS:
        yield Attack("deb", name, deb(make), codes)
    for name, prepare, codes in PACKAGES:
        yield Attack("Packages", name, prepare, codes)
