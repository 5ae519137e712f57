"""What scanning finds in a tree, and that no file can make it fail."""

import os
import random
import struct
from pathlib import Path

import pytest
from elftools.elf.dynamic import DynamicSegment
from elftools.elf.elffile import ELFFile
from elftools.elf.segments import InterpSegment

from moss.digest import ContentDigest
from moss.layout import Entry, directory, regular, symlink
from moss.scan import Scanned, scan
from moss.scan.elf import MalformedElfError, read_dynamic
from moss.stone import ContentSpool

HERE = sorted(
    path
    for folder in ("/usr/bin", "/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/sbin")
    if os.path.isdir(folder)
    for path in Path(folder).iterdir()
    if path.is_file() and not path.is_symlink() and path.stat().st_size < 3_000_000
)


class InMemory:
    def __init__(self, raw: bytes) -> None:
        self.raw = raw

    def read_at(self, offset: int, size: int) -> bytes:
        return self.raw[offset : offset + size]


def an_elf(
    needed: tuple[str, ...] = (),
    soname: str | None = None,
    interpreter: str | None = None,
    *,
    machine: int = 62,
    file_type: int = 3,
    wide: bool = True,
    order: str = "<",
) -> bytes:
    """The smallest file a loader would understand: headers, names, a dynamic section."""
    names, offsets = b"\0", []
    for name in (*needed, *([soname] if soname else [])):
        offsets.append(len(names))
        names += name.encode() + b"\0"
    word = order + ("QQ" if wide else "II")
    header_size, segment_size = (64, 56) if wide else (52, 32)
    text_at = header_size + 3 * segment_size
    text = (interpreter or "").encode() + b"\0"
    names_at = text_at + len(text)
    dynamic_at = names_at + len(names)
    base = 0x400000
    tags = [(1, offset) for offset in offsets[: len(needed)]]
    tags += [(14, offsets[-1])] if soname else []
    tags += [(5, base + names_at), (10, len(names)), (0, 0)]
    dynamic = b"".join(struct.pack(word, *tag) for tag in tags)
    whole = dynamic_at + len(dynamic)

    def segment(kind: int, offset: int, size: int) -> bytes:
        if wide:
            return struct.pack(order + "IIQQQQQQ", kind, 4, offset, base + offset, 0, size, size, 1)
        return struct.pack(order + "IIIIIIII", kind, offset, base + offset, 0, size, size, 4, 1)

    segments = segment(1, 0, whole) + segment(2, dynamic_at, len(dynamic))
    segments += segment(3 if interpreter else 0, text_at, len(text))
    ident = b"\x7fELF" + bytes([2 if wide else 1, 1 if order == "<" else 2, 1]) + bytes(9)
    addresses = (0, header_size, 0)
    header = ident + struct.pack(
        order + ("HHIQQQIHHHHHH" if wide else "HHIIIIIHHHHHH"),
        *(file_type, machine, 1, *addresses, 0, header_size, segment_size, 3, 0, 0, 0),
    )
    return header + segments + text + names + dynamic


def scanned(files: dict[str, bytes | None]) -> Scanned:
    """`None` stands for a symlink."""
    with ContentSpool() as spool:
        entries: list[Entry] = []
        for path, raw in files.items():
            entries.append(symlink(path, "x") if raw is None else regular(path, spool.add(raw)[0]))
        return scan([directory("bin/empty"), *entries], spool.open)


def texts(files: dict[str, bytes | None]) -> tuple[list[str], list[str]]:
    found = scanned(files)
    return [one.full_text for one in found.provides], [one.full_text for one in found.depends]


def test_an_executable_needs_its_libraries_and_its_interpreter() -> None:
    raw = an_elf(("libc.so.6", "libz.so.1"), interpreter="/lib64/ld-linux-x86-64.so.2")
    assert texts({"bin/hello": raw}) == (
        ["binary(hello)"],
        [
            "interpreter(/lib64/ld-linux-x86-64.so.2(x86_64))",
            "soname(libc.so.6(x86_64))",
            "soname(libz.so.1(x86_64))",
        ],
    )


def test_a_library_provides_its_soname_wherever_it_lies() -> None:
    assert texts({"lib/private/libx.so.1.2.3": an_elf(soname="libx.so.1")})[0] == [
        "soname(libx.so.1(x86_64))"
    ]


@pytest.mark.parametrize(
    ("path", "provides"),
    [
        ("lib/libx.so.7", ["soname(libx.so.7(x86_64))"]),
        ("lib/x86_64-linux-gnu/libx.so", ["soname(libx.so(x86_64))"]),
        ("lib/python3/x.cpython-311.so", []),
        ("lib/debug/libx.so.7", []),
    ],
)
def test_a_library_without_a_soname_is_known_by_its_file_name_where_the_loader_looks(
    path: str, provides: list[str]
) -> None:
    assert texts({path: an_elf(("libc.so.6",))})[0] == provides


def test_a_packages_own_libraries_are_not_needed_from_others() -> None:
    found = texts(
        {"lib/libx.so.1": an_elf(soname="libx.so.1"), "lib/liby.so": an_elf(("libx.so.1",), "liby.so")}
    )
    assert found == (["soname(libx.so.1(x86_64))", "soname(liby.so(x86_64))"], [])


def test_a_loader_provides_every_path_it_is_known_by() -> None:
    name = "ld-linux-x86-64.so.2"
    provides, _ = texts({f"lib/x86_64-linux-gnu/{name}": an_elf(soname=name)})
    places = ("/lib", "/lib64", "/usr/lib/x86_64-linux-gnu", "/usr/lib64")
    assert provides == [
        *(f"interpreter({place}/{name}(x86_64))" for place in places),
        *(f"soname({place}/{name}(x86_64))" for place in places),
        f"soname({name}(x86_64))",
    ]


@pytest.mark.parametrize(
    ("machine", "wide", "order", "isa"),
    [
        (3, False, "<", "386"),
        (183, True, "<", "aarch64"),
        (183, True, ">", "aarch64"),
        (243, True, "<", "riscv"),
    ],
)
def test_every_architecture_has_its_word(machine: int, wide: bool, order: str, isa: str) -> None:
    raw = an_elf(("libc.so.6",), "libx.so.1", machine=machine, wide=wide, order=order)
    assert texts({"lib/libx.so.1": raw}) == ([f"soname(libx.so.1({isa}))"], [f"soname(libc.so.6({isa}))"])


@pytest.mark.parametrize(
    "raw",
    [
        an_elf(("a",), machine=8),
        an_elf(("a",), file_type=1),
        an_elf(("a",), file_type=4),
        an_elf(("a",), wide=False),
        an_elf(),
    ],
    ids=["mips", "relocatable", "core dump", "x32", "static"],
)
def test_what_nothing_loads_by_name_says_nothing(raw: bytes) -> None:
    found = scanned({"lib/x.ko": raw})
    assert found == Scanned((), (), ())


def test_paths_alone_say_much() -> None:
    provides, depends = texts(
        {
            "bin/vim": b"#!/bin/sh\n",
            "bin/vi": None,
            "bin/deeper/x": b"",
            "sbin/fdisk": b"",
            "lib/pkgconfig/zlib.pc": b"",
            "share/pkgconfig/iso-codes.pc": b"",
            "lib/x86_64-linux-gnu/pkgconfig/libpng16.pc": b"",
            "lib32/pkgconfig/zlib.pc": b"",
            "share/doc/example.pc": b"",
            "lib/cmake/Qt6/Qt6Config.cmake": b"",
            "lib/cmake/foo/foo-config.cmake": b"",
            "lib/cmake/foo/foo-config-version.cmake": b"",
            "lib/cmake/foo/Config.cmake": b"",
            "share/bin/no": b"",
        }
    )
    assert provides == [
        "binary(vi)",
        "binary(vim)",
        "cmake(Qt6)",
        "cmake(foo)",
        "pkgconfig(iso-codes)",
        "pkgconfig(libpng16)",
        "pkgconfig(zlib)",
        "pkgconfig32(zlib)",
        "sysbinary(fdisk)",
    ]
    assert depends == []


@pytest.mark.parametrize(
    ("metadata", "name"),
    [
        (b"Metadata-Version: 2.1\nName: Typing_Extensions\nVersion: 4\n\nName: no\n", "typing-extensions"),
        (b"Name: a.b--_c\r\nVersion: 1\r\n\r\n", "a-b-c"),
        (b"Metadata-Version: 2.1\n\nName: in-the-description\n", None),
        (b"Name: not a name!\n", None),
        (b"\xff\xfe\0", None),
    ],
)
def test_a_python_distribution_is_named_as_pep_503_says(metadata: bytes, name: str | None) -> None:
    provides, _ = texts({"lib/python3/dist-packages/x-1.dist-info/METADATA": metadata})
    assert provides == ([f"python({name})"] if name else [])


def test_a_malformed_elf_file_is_a_note_and_not_an_error() -> None:
    raw = an_elf(("libc.so.6",), "libx.so.1")
    found = scanned(
        {"lib/libx.so.1": raw[:-40], "lib/liby.so.1": an_elf(soname="liby.so.1"), "bin/z": b"\x7fELF"}
    )
    assert [one.full_text for one in found.provides] == ["binary(z)", "soname(liby.so.1(x86_64))"]
    assert found.notes[0].startswith("lib/libx.so.1 is a malformed ELF file: ")
    assert found.notes[1] == "bin/z is a malformed ELF file: it ends within its header"


def test_no_damage_to_an_elf_file_makes_the_scan_fail() -> None:
    raw = an_elf(("libc.so.6", "libz.so.1"), "libx.so.1", "/lib/ld.so")
    dice = random.Random(5)
    for _ in range(4000):
        changed = bytearray(raw[: dice.randrange(4, len(raw) + 1)])
        for _ in range(dice.randrange(1, 6)):
            changed[dice.randrange(4, len(changed) + 1) - 1 :][:1] = b""
            changed[dice.randrange(len(changed))] = dice.choice([0, 1, 255, 127, dice.randrange(256)])
        try:
            read_dynamic(InMemory(bytes(changed)), bytes(changed[:1024]))
        except MalformedElfError:
            continue


def test_program_headers_may_lie_anywhere_in_an_elf_file() -> None:
    raw = an_elf(("libc.so.6",), "libx.so.1")
    table, rest = raw[64 : 64 + 3 * 56], raw[64 + 3 * 56 :]
    moved = raw[:32] + (5000).to_bytes(8, "little") + raw[40:64] + table + rest
    moved = moved.ljust(5000, b"\0") + table
    found = read_dynamic(InMemory(moved), moved[:1024])
    assert found is not None
    assert (found.soname, found.needed) == ("libx.so.1", ("libc.so.6",))
    with pytest.raises(MalformedElfError, match="within its program headers"):
        read_dynamic(InMemory(moved[:-1]), moved[:1024])
    crowded = moved[:56] + b"\xff\xff" + moved[58:]
    with pytest.raises(MalformedElfError, match="65535 program headers"):
        read_dynamic(InMemory(crowded), crowded[:1024])


def test_only_the_beginning_of_other_files_is_read() -> None:
    class Text:
        asked = 0

        def read_at(self, offset: int, size: int) -> bytes:
            self.asked += size
            return b"#!/bin/sh\n"[offset : offset + size]

    text = Text()
    scan([regular("share/x", ContentDigest(b"x" * 16))], lambda _: text)
    assert text.asked <= 1024


@pytest.mark.skipif(not HERE, reason="this machine has no ELF files at the usual places")
def test_we_read_this_machines_elf_files_as_pyelftools_does() -> None:
    compared = 0
    for path in random.Random(3).sample(HERE, min(len(HERE), 250)):
        raw = path.read_bytes()
        if raw[:4] != b"\x7fELF":
            continue
        ours = read_dynamic(InMemory(raw), raw[:1024])
        with path.open("rb") as file:
            elf = ELFFile(file)
            assert ours is not None or elf["e_type"] not in ("ET_DYN", "ET_EXEC")
            if ours is None:
                continue
            tags = [
                tag
                for one in elf.iter_segments()
                if isinstance(one, DynamicSegment)
                for tag in one.iter_tags()
            ]
            interpreters = [
                one.get_interp_name() for one in elf.iter_segments() if isinstance(one, InterpSegment)
            ]
            assert ours.needed == tuple(tag.needed for tag in tags if tag.entry.d_tag == "DT_NEEDED")
            assert [ours.soname] == ([tag.soname for tag in tags if tag.entry.d_tag == "DT_SONAME"] or [None])
            assert [ours.interpreter] == (interpreters or [None])
            compared += 1
    assert compared > 20
