"""Meta payloads: a package's statement as tagged records.

    length u32 | tag u16 | value kind u8 | 0 u8 | value[length]

Records are taken apart by their tag; the value kind must be the one that goes with it.
"""

import re
import struct
from collections.abc import Callable, Iterator, Mapping
from enum import IntEnum
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from moss.capability import Capability, CapabilityKind
from moss.digest import PackageDigest
from moss.package import Metadata
from moss.stone.container import Place, StoneKind, Strictness

_RECORD = struct.Struct(">IHBB")
_U64 = struct.Struct(">Q")


class Tag(IntEnum):
    NAME = 1
    ARCHITECTURE = 2
    VERSION = 3
    SUMMARY = 4
    DESCRIPTION = 5
    HOMEPAGE = 6
    SOURCE_ID = 7
    DEPENDS = 8
    PROVIDES = 9
    CONFLICTS = 10
    RELEASE = 11
    LICENSE = 12
    BUILD_RELEASE = 13
    PACKAGE_URI = 14
    PACKAGE_HASH = 15
    PACKAGE_SIZE = 16
    BUILD_DEPENDS = 17
    SOURCE_URI = 18
    SOURCE_PATH = 19
    SOURCE_REF = 20

    @property
    def word(self) -> str:
        return self.name.lower().replace("_", " ")


class ValueKind(IntEnum):
    """The value kinds that occur; the smaller integers of the format have no tag that uses them."""

    U64 = 8
    STRING = 9
    DEPENDENCY = 10
    PROVIDER = 11


_REPEATED = frozenset({Tag.DEPENDS, Tag.PROVIDES, Tag.CONFLICTS, Tag.LICENSE, Tag.BUILD_DEPENDS})
_NUMBERS = frozenset({Tag.RELEASE, Tag.BUILD_RELEASE, Tag.PACKAGE_SIZE})
_PUBLISHED = frozenset({Tag.PACKAGE_URI, Tag.PACKAGE_HASH, Tag.PACKAGE_SIZE})
_REQUIRED = frozenset(Tag(number) for number in range(1, 8)) | {Tag.RELEASE, Tag.BUILD_RELEASE}

_VALUE_KINDS: Mapping[int, ValueKind] = {
    tag: ValueKind.U64
    if tag in _NUMBERS
    else ValueKind.DEPENDENCY
    if tag in (Tag.DEPENDS, Tag.BUILD_DEPENDS)
    else ValueKind.PROVIDER
    if tag in (Tag.PROVIDES, Tag.CONFLICTS)
    else ValueKind.STRING
    for tag in Tag
}

_MUST_HAVE = {
    StoneKind.BINARY: _REQUIRED,
    StoneKind.INDEX: _REQUIRED | _PUBLISHED,
    StoneKind.MANIFEST: _REQUIRED,
}
_MUST_NOT_HAVE = {
    StoneKind.BINARY: _PUBLISHED | {Tag.BUILD_DEPENDS},
    StoneKind.INDEX: frozenset({Tag.BUILD_DEPENDS}),
    StoneKind.MANIFEST: _PUBLISHED,
}

Value: TypeAlias = str | int | Capability


class Publication(NamedTuple):
    """Where an index says a package's stone is."""

    uri: str
    digest: PackageDigest
    size: int


class _Values:
    """The values of a meta payload by tag, of which the required ones are there."""

    def __init__(self, values: Mapping[int, list[Value]]) -> None:
        self._values = values

    def metadata(self) -> Metadata:
        return Metadata(
            name=self._text(Tag.NAME),
            version=self._text(Tag.VERSION),
            release=self._number(Tag.RELEASE),
            build_release=self._number(Tag.BUILD_RELEASE),
            architecture=self._text(Tag.ARCHITECTURE),
            summary=self._text(Tag.SUMMARY),
            description=self._text(Tag.DESCRIPTION),
            homepage=self._text(Tag.HOMEPAGE),
            source_id=self._text(Tag.SOURCE_ID),
            licenses=tuple(str(text) for text in self._values.get(Tag.LICENSE, ())),
            depends=self._capabilities(Tag.DEPENDS),
            provides=self._capabilities(Tag.PROVIDES),
            conflicts=self._capabilities(Tag.CONFLICTS),
            build_depends=self._capabilities(Tag.BUILD_DEPENDS),
        )

    def publication(self) -> Publication:
        return Publication(
            self._text(Tag.PACKAGE_URI),
            PackageDigest(self._text(Tag.PACKAGE_HASH)),
            self._number(Tag.PACKAGE_SIZE),
        )

    def _text(self, tag: Tag) -> str:
        value = self._values[tag][0]
        assert isinstance(value, str)
        return value

    def _number(self, tag: Tag) -> int:
        value = self._values[tag][0]
        assert isinstance(value, int)
        return value

    def _capabilities(self, tag: Tag) -> tuple[Capability, ...]:
        return tuple(value for value in self._values.get(tag, ()) if isinstance(value, Capability))


def decode_meta(
    plain: bytes, records: int, place: Place, kind: StoneKind, strictness: Strictness
) -> tuple[Metadata, Publication | None]:
    """A package's statement as the tags have it, in an index with where its stone is.

    CorruptData says what is wrong with one of the records, or with their choice.
    """
    values: dict[int, list[Value]] = {}
    count = 0
    for tag, value in _records(plain, place):
        count += 1
        if tag not in _VALUE_KINDS:
            if strictness is Strictness.CHECK:
                raise place.fault(f"record {count} has tag {tag}, which is not known")
            continue
        there = values.setdefault(tag, [])
        if there and tag not in _REPEATED:
            raise place.fault(f"it gives the {Tag(tag).word} twice")
        there.append(value)
    if count != records:
        raise place.fault(f"it holds {count} records, its header says {records}")
    _judge_tags(values, place, kind)
    metadata = _Values(values).metadata()
    publication = _Values(values).publication() if kind is StoneKind.INDEX else None
    faults = statement_faults(metadata)
    if publication is not None:
        faults += publication_faults(publication)
    if faults:
        raise place.fault("; ".join(faults))
    return metadata, publication


def _judge_tags(values: Mapping[int, list[Value]], place: Place, kind: StoneKind) -> None:
    missing = sorted(_MUST_HAVE[kind] - values.keys())
    if missing:
        raise place.fault(f"it lacks the {', '.join(tag.word for tag in missing)}")
    misplaced = sorted(_MUST_NOT_HAVE[kind] & values.keys())
    if misplaced:
        words = ", ".join(tag.word for tag in misplaced)
        raise place.fault(f"it gives the {words}, which has no place in a file of type {kind.name.lower()}")


def _records(plain: bytes, place: Place) -> Iterator[tuple[int, Value]]:
    position, number, end = 0, 0, len(plain)
    while position < end:
        number += 1
        start = position + _RECORD.size
        if start > end:
            raise place.fault(f"record {number} is cut short")
        length, tag, value_kind, padding = _RECORD.unpack_from(plain, position)
        position = start + length
        if position > end:
            raise place.fault(f"record {number} ({_tag_word(tag)}) is cut short")
        if padding:
            raise place.fault(f"record {number} ({_tag_word(tag)}) has a padding byte that is not 0")
        if tag not in _VALUE_KINDS:
            yield tag, 0
            continue
        if value_kind != _VALUE_KINDS[tag]:
            raise place.fault(f"record {number} ({_tag_word(tag)}) has value kind {value_kind}")
        try:
            yield tag, _DECODERS[value_kind](plain, start, position)
        except _BadValueError as error:
            raise place.fault(f"record {number} ({_tag_word(tag)}): {error}") from error
        except _UnknownKindError as error:
            raise place.too_new(f"record {number} ({_tag_word(tag)}): {error}") from error


def _tag_word(tag: int) -> str:
    return Tag(tag).word if tag in _VALUE_KINDS else f"tag {tag}"


class _BadValueError(Exception):
    """What is wrong with the value of a record."""


class _UnknownKindError(Exception):
    """A capability of a kind that format v1 does not have."""


def _decode_u64(plain: bytes, start: int, end: int) -> int:
    if end - start != _U64.size:
        raise _BadValueError(f"a number of {end - start} bytes, not of 8")
    number: int = _U64.unpack_from(plain, start)[0]
    return number


def _decode_string(plain: bytes, start: int, end: int) -> str:
    if start == end or plain[end - 1]:
        raise _BadValueError("the text does not end in NUL")
    if plain.find(0, start, end - 1) >= 0:
        raise _BadValueError("the text holds a NUL")
    try:
        return plain[start : end - 1].decode()
    except UnicodeDecodeError as error:
        raise _BadValueError("the text is not UTF-8") from error


def _decode_capability(plain: bytes, start: int, end: int) -> Capability:
    return _capability(plain[start:end])


@lru_cache(maxsize=1 << 16)  # in an index each occurs several times
def _capability(raw: bytes) -> Capability:
    if not raw:
        raise _BadValueError("it is empty")
    kind = _CAPABILITY_KINDS.get(raw[0])
    if kind is None:
        raise _UnknownKindError(f"capability kind {raw[0]} is not known")
    name = _decode_string(raw, 1, len(raw))
    if not name or _CONTROL.search(name):
        raise _BadValueError("the capability is empty or holds control characters")
    return Capability(kind, name)


_CAPABILITY_KINDS = {int(kind): kind for kind in CapabilityKind}
_DECODERS: Mapping[int, Callable[[bytes, int, int], Value]] = {
    ValueKind.U64: _decode_u64,
    ValueKind.STRING: _decode_string,
    ValueKind.DEPENDENCY: _decode_capability,
    ValueKind.PROVIDER: _decode_capability,
}

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_WORD = re.compile(r"[^\s/\x00-\x1f\x7f.\-][^\s/\x00-\x1f\x7f]*\Z")
_VERSION = re.compile(r"[^\s\x00-\x1f\x7f]+\Z")
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_NO_NUMBER = 1 << 63
"""Too much for the record, and for any file."""


def statement_faults(metadata: Metadata) -> list[str]:
    """All that keeps a statement from being one: it becomes a file name, and lines on a terminal."""
    faults = []
    for what, text in (("name", metadata.name), ("architecture", metadata.architecture)):
        if not _WORD.match(text):
            faults.append(f"{text!r} cannot be a package's {what}")
    for number in (metadata.release, metadata.build_release):
        if number >= _NO_NUMBER:
            faults.append(f"{number} cannot be a release")
    if not _VERSION.match(metadata.version):
        faults.append(f"{metadata.version!r} cannot be a version")
    return faults


def publication_faults(publication: Publication) -> list[str]:
    """All that is wrong with where an index says a stone is."""
    faults = []
    if not publication.uri or _CONTROL.search(publication.uri):
        faults.append(f"{publication.uri!r} cannot be the place of a stone")
    if not _SHA256.match(publication.digest):
        faults.append(f"{publication.digest!r} is not a SHA-256 in lower-case hexadecimal")
    if publication.size >= _NO_NUMBER:
        faults.append(f"{publication.size} cannot be a file's size")
    return faults


def encode_meta(
    metadata: Metadata, *, publication: Publication | None = None, build_depends: bool = False
) -> tuple[bytes, int]:
    """The payload's plain bytes and their number of records, in the order that the format prescribes."""
    records: list[tuple[Tag, Value]] = [
        (Tag.NAME, metadata.name),
        (Tag.VERSION, metadata.version),
        (Tag.RELEASE, metadata.release),
        (Tag.BUILD_RELEASE, metadata.build_release),
        (Tag.ARCHITECTURE, metadata.architecture),
        (Tag.SUMMARY, metadata.summary),
        (Tag.DESCRIPTION, metadata.description),
        (Tag.SOURCE_ID, metadata.source_id),
        (Tag.HOMEPAGE, metadata.homepage),
    ]
    if publication is not None:
        records += [
            (Tag.PACKAGE_URI, publication.uri),
            (Tag.PACKAGE_HASH, publication.digest),
            (Tag.PACKAGE_SIZE, publication.size),
        ]
    records += [(Tag.LICENSE, text) for text in metadata.licenses]
    records += [(Tag.DEPENDS, capability) for capability in in_written_order(metadata.depends)]
    records += [(Tag.PROVIDES, capability) for capability in in_written_order(metadata.provides)]
    records += [(Tag.CONFLICTS, capability) for capability in in_written_order(metadata.conflicts)]
    if build_depends:
        records += [
            (Tag.BUILD_DEPENDS, capability) for capability in in_written_order(metadata.build_depends)
        ]
    return b"".join(_encode_record(tag, value) for tag, value in records), len(records)


def in_written_order(capabilities: tuple[Capability, ...]) -> list[Capability]:
    """Each once, by its text `kind(name)`."""
    return sorted(set(capabilities), key=lambda capability: capability.full_text)


def _encode_record(tag: Tag, value: Value) -> bytes:
    match value:
        case int():
            raw = _U64.pack(value)
        case str():
            raw = value.encode() + b"\0"
        case Capability():
            raw = bytes((value.kind,)) + value.name.encode() + b"\0"
    return _RECORD.pack(len(raw), tag, _VALUE_KINDS[tag], 0) + raw
