"""What an ELF file needs and offers, read from its dynamic section and nothing else.

docs/decisions/0005-scan-elf.md says why this is not left to pyelftools.
"""

import struct
from typing import NamedTuple, Protocol

MAGIC = b"\x7fELF"

ISAS = {3: "386", 62: "x86_64", 183: "aarch64", 243: "riscv"}
"""The machines that capabilities have a word for, by their ELF number."""

_EXECUTABLE, _SHARED = 2, 3
_PT_LOAD, _PT_DYNAMIC, _PT_INTERP = 1, 2, 3
_DT_NULL, _DT_NEEDED, _DT_STRTAB, _DT_STRSZ, _DT_SONAME = 0, 1, 5, 10, 14

_MAX_SEGMENTS = 512
_MAX_DYNAMIC = 1 << 16
_MAX_TEXT = 4096


class ReadableAt(Protocol):
    """A content that can be read anywhere: fewer bytes than asked for only where it ends."""

    def read_at(self, offset: int, size: int) -> bytes: ...


class Dynamic(NamedTuple):
    """What the loader reads of an executable or a shared library."""

    isa: str
    soname: str | None
    needed: tuple[str, ...]
    interpreter: str | None
    is_library: bool
    """It can be loaded, or is an executable that can be loaded anywhere."""


class MalformedElfError(Exception):
    """Says what is wrong with a file that begins like an ELF file."""


class _Segment(NamedTuple):
    kind: int
    offset: int
    address: int
    size: int


def read_dynamic(content: ReadableAt, start: bytes) -> Dynamic | None:
    """The dynamic section of an ELF file that begins with `start` (64 bytes or more, where it has them).

    None for objects that nothing loads by name: relocatable files, modules, core dumps, and machines
    that capabilities have no word for. MalformedElfError where the file contradicts itself.
    """
    if len(start) < 20:
        raise MalformedElfError("it ends within its header")
    if start[4] not in (1, 2) or start[5] not in (1, 2):
        raise MalformedElfError("its class or byte order is unknown")
    wide, order = start[4] == 2, "<" if start[5] == 1 else ">"
    file_type, machine = struct.unpack_from(order + "HH", start, 16)
    isa = ISAS.get(machine)
    if file_type not in (_EXECUTABLE, _SHARED) or isa is None or (isa == "x86_64" and not wide):
        return None
    segments = _segments(content, start, order, wide)
    interpreter = None
    for segment in segments:
        if segment.kind == _PT_INTERP:
            interpreter = _text(content, segment.offset, min(segment.size, _MAX_TEXT), "interpreter")
    soname, needed = _names(content, segments, order, wide)
    return Dynamic(isa, soname, needed, interpreter, file_type == _SHARED)


def _segments(content: ReadableAt, start: bytes, order: str, wide: bool) -> list[_Segment]:
    header = struct.Struct(order + ("QQQIHHH" if wide else "IIIIHHH"))
    try:
        _, table, _, _, _, size, count = header.unpack_from(start, 24)
    except struct.error as error:
        raise MalformedElfError("it ends within its header") from error
    record = struct.Struct(order + ("IIQQQQQQ" if wide else "IIIIIIII"))
    if not count:
        return []
    if size != record.size or count > _MAX_SEGMENTS:
        raise MalformedElfError(f"it has {count} program headers of {size} bytes")
    raw = start[table : table + size * count]
    if len(raw) < size * count:
        raw = content.read_at(table, size * count)
    if len(raw) < size * count:
        raise MalformedElfError("it ends within its program headers")
    segments = []
    for fields in record.iter_unpack(raw):
        if wide:
            kind, _, offset, address, _, file_size, _, _ = fields
        else:
            kind, offset, address, _, file_size, _, _, _ = fields
        segments.append(_Segment(kind, offset, address, file_size))
    return segments


def _names(
    content: ReadableAt, segments: list[_Segment], order: str, wide: bool
) -> tuple[str | None, tuple[str, ...]]:
    dynamic = next((segment for segment in segments if segment.kind == _PT_DYNAMIC), None)
    if dynamic is None or not dynamic.size:
        return None, ()
    record = struct.Struct(order + ("QQ" if wide else "II"))
    raw = content.read_at(dynamic.offset, min(dynamic.size, _MAX_DYNAMIC))
    needed: list[int] = []
    soname = strings = None
    strings_size = 0
    for tag, value in record.iter_unpack(raw[: len(raw) - len(raw) % record.size]):
        if tag == _DT_NULL:
            break
        if tag == _DT_NEEDED:
            needed.append(value)
        elif tag == _DT_SONAME:
            soname = value
        elif tag == _DT_STRTAB:
            strings = value
        elif tag == _DT_STRSZ:
            strings_size = value
    if soname is None and not needed:
        return None, ()
    if strings is None:
        raise MalformedElfError("its dynamic section has names but no table of them")
    table = _file_offset(strings, segments)

    def name(at: int) -> str:
        if at >= strings_size:
            raise MalformedElfError("a name lies outside the table of names")
        return _text(content, table + at, min(strings_size - at, _MAX_TEXT), "name")

    return None if soname is None else name(soname), tuple(name(at) for at in needed)


def _file_offset(address: int, segments: list[_Segment]) -> int:
    for segment in segments:
        if segment.kind == _PT_LOAD and segment.address <= address < segment.address + segment.size:
            return segment.offset + address - segment.address
    raise MalformedElfError("its table of names is not in the file")


def _text(content: ReadableAt, offset: int, size: int, what: str) -> str:
    """A text that ends in NUL, of which 256 bytes are read first: most are short."""
    raw, nul, _ = content.read_at(offset, min(size, 256)).partition(b"\0")
    if not nul:
        raw, nul, _ = content.read_at(offset, size).partition(b"\0")
    if not nul:
        raise MalformedElfError(f"its {what} has no end")
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise MalformedElfError(f"its {what} is not UTF-8") from error
    if not text or not text.isprintable():
        raise MalformedElfError(f"its {what} is empty or unprintable")
    return text
