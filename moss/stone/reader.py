"""Reading a stone: everything but its content at once, its content as a stream.

open_stone ─┬─ file header
            ├─ each payload: header, stored bytes, checksum, plain bytes
            ├─ which payloads a file of its kind must have, and must not
            └─ their records, and whether they agree with each other
Stone.contents ── the content payload, piece by piece
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import BinaryIO

from moss.errors import CorruptData, UsageError
from moss.layout import Entry
from moss.package import Metadata, Published
from moss.stone.agreement import (
    judge_attributes,
    judge_census,
    judge_content,
    judge_payloads,
    judge_published,
)
from moss.stone.container import (
    DEFAULT_LIMITS,
    HEADER_SIZE,
    MIB,
    FileHeader,
    Limits,
    Payload,
    PayloadHeader,
    PayloadKind,
    Place,
    StoneKind,
    Strictness,
    parse_file_header,
    parse_payload_header,
)
from moss.stone.content import Content, InMemory, PlainBytes, cut_contents
from moss.stone.extras import (
    decode_content_id,
    decode_definitions,
    decode_extras,
    decode_installed_size,
    refuse_later_versions,
    with_extras,
)
from moss.stone.meta import Publication, decode_meta
from moss.stone.records import ContentRange, decode_attributes, decode_index, decode_layout
from moss.stone.streams import PayloadStream, Source, unpack_payload
from moss.stone.xattrs import with_xattrs
from solver.values import value

ONE_SHOT = 4 * MIB
"""Content payloads up to this size, stored and unpacked, are unpacked at once."""


@value
class Stone:
    """A file of the format, read and judged up to its content.

    `contents` reads the file that was given to `open_stone`, which must still be open. Fields that
    have no place in this kind of file are empty.
    """

    name: str
    """What errors call the file."""
    kind: StoneKind
    payloads: tuple[Payload, ...]
    """In the file's order."""
    statements: tuple[Metadata, ...]
    """A binary stone's one, a manifest's several."""
    published: tuple[Published, ...]
    """An index's packages, in its order."""
    layout: tuple[Entry, ...]
    index: tuple[ContentRange, ...]
    attributes: Mapping[str, bytes]
    limits: Limits
    source: Source

    @property
    def metadata(self) -> Metadata:
        """What the package says of itself; UsageError where the file is not a package."""
        if self.kind is not StoneKind.BINARY:
            raise UsageError(
                f"{self.name} is not a package: its file type is {self.kind.name.lower()}",
                remedies=["give a .stone that holds a package"],
            )
        return self.statements[0]

    @property
    def content_size(self) -> int:
        """Bytes of all contents together, unpacked."""
        return self.index[-1].end if self.index else 0

    @property
    def definitions(self) -> dict[str, str]:
        """What an index says that subscriptions mean: texts by the names of their files. CorruptData."""
        return decode_definitions(self.attributes, Place(self.name, 0, "index"))

    def contents(self) -> Iterator[Content]:
        """Every content, in the file's order; may be asked for again, but not from a pipe.

        CorruptData is raised on the way where a digest is wrong, and after the last one where the
        payload's size, frame or checksum is: only who comes to the end knows that all is well.
        """
        for payload in self.payloads:
            if payload.header.kind is PayloadKind.CONTENT:
                yield from self._contents(payload.header, payload.place)

    def _contents(self, header: PayloadHeader, place: Place) -> Iterator[Content]:
        if self.source.size is None:
            assert not self.source.is_used_up, "the contents of a pipe can be read once"
            self.source.is_used_up = True
        else:
            self.source.seek(place.offset + HEADER_SIZE)
        plain: PlainBytes
        if max(header.plain_size, header.stored_size) <= ONE_SHOT:
            stored = self.source.exactly(header.stored_size, place.what)
            plain = InMemory(unpack_payload(stored, header, place))
        else:
            plain = PayloadStream(self.source, header, place, self.limits)
        yield from cut_contents(self.index, plain.read, place)
        plain.finish()
        if self.source.size is None:
            self.source.expect_end()


def open_stone(
    file: BinaryIO,
    name: str,
    *,
    strictness: Strictness = Strictness.INSTALL,
    limits: Limits = DEFAULT_LIMITS,
) -> Stone:
    """Read all of a file but its content. `name` is what errors call it; the file may be a pipe
    where the content is the last payload, as in every stone seen.

    Raises CorruptData with the place of the first fault, FormatTooNew where a later moss may know
    better. Contents are judged when they are taken.
    """
    source = Source(file, name)
    raw_header = source.exactly(HEADER_SIZE, "file header")
    header = parse_file_header(raw_header, name)
    place = Place(name, 0, "file header")
    if header.kind is StoneKind.DELTA:
        raise place.too_new("it is a delta stone, which this moss does not read")
    if header.kind in (StoneKind.BUNDLE, StoneKind.RECEIPT):
        raise CorruptData(
            f"is a {header.kind.name.lower()}, not a stone",
            file=name,
            remedies=[f"moss bundle inspect {name}", f"moss sync --from {name}"],
        )
    read = _read_payloads(source, header, strictness, limits)
    payloads = tuple(payload for payload, _ in read)
    judge_payloads(payloads, header.kind, place)
    bodies = _decode(read, header.kind, strictness)
    judge_content(payloads, bodies.layout, bodies.index)
    judge_census(raw_header, payloads, bodies.attributes)
    if strictness is Strictness.CHECK:
        judge_published(bodies.published, place)
        judge_attributes(bodies.attributes, bodies.published, payloads)
    return Stone(
        name,
        header.kind,
        payloads,
        bodies.statements,
        bodies.published,
        bodies.layout,
        bodies.index,
        bodies.attributes,
        limits,
        source,
    )


def _read_payloads(
    source: Source, header: FileHeader, strictness: Strictness, limits: Limits
) -> list[tuple[Payload, bytes]]:
    """Each payload with its plain bytes; none for the content, and for kinds that are skipped."""
    read = []
    unpacked = 0
    for number in range(1, header.payloads + 1):
        place = source.place(f"payload {number}")
        raw = source.exactly(HEADER_SIZE, f"header of payload {number} of {header.payloads}")
        payload = parse_payload_header(raw, place, limits)
        if not isinstance(payload.kind, PayloadKind):
            if strictness is Strictness.CHECK:
                raise place.fault(f"payload kind {payload.kind} is not known")
            source.skip(payload.stored_size, place.what)
            read.append((Payload(payload, place, raw), b""))
            continue
        place = place._replace(what=f"{payload.kind.name.lower()} payload")
        plain = b""
        if payload.kind is not PayloadKind.CONTENT:
            unpacked += payload.plain_size
            if unpacked > limits.together:
                raise place.fault(f"with it {unpacked} bytes are to be unpacked, the limit is {limits.together}")
            plain = unpack_payload(source.exactly(payload.stored_size, place.what), payload, place)
        elif source.size is not None:
            source.skip(payload.stored_size, place.what)
        elif number < header.payloads:
            raise place.fault("payloads follow it, which a pipe cannot give before it: save it to a file")
        read.append((Payload(payload, place, raw), plain))
    if source.size is not None or all(payload.header.kind is not PayloadKind.CONTENT for payload, _ in read):
        source.expect_end()
    return read


@value
class _Bodies:
    statements: tuple[Metadata, ...]
    published: tuple[Published, ...]
    layout: tuple[Entry, ...]
    index: tuple[ContentRange, ...]
    attributes: Mapping[str, bytes]


def _decode(read: Sequence[tuple[Payload, bytes]], kind: StoneKind, strictness: Strictness) -> _Bodies:
    metas: list[tuple[Metadata, Publication | None, Place]] = []
    layout: tuple[Entry, ...] = ()
    index: tuple[ContentRange, ...] = ()
    attributes: dict[str, bytes] = {}
    attributes_place: Place | None = None
    for (header, place, _), plain in read:
        match header.kind:
            case PayloadKind.META:
                metas.append((*decode_meta(plain, header.records, place, kind, strictness), place))
            case PayloadKind.LAYOUT:
                layout = decode_layout(plain, header.records, place)
            case PayloadKind.INDEX:
                index = decode_index(plain, header.records, place)
            case PayloadKind.ATTRIBUTES:
                attributes = decode_attributes(plain, header.records, place)
                attributes_place = place
                refuse_later_versions(attributes, place)
    layout = with_xattrs(layout, attributes, attributes_place) if attributes_place else layout
    statements: list[Metadata] = []
    published: list[Published] = []
    for metadata, publication, place in metas:
        prefix = "" if publication is None else f"{publication.digest}/"
        whole = with_extras(metadata, decode_extras(attributes, attributes_place or place, prefix))
        if publication is None:
            statements.append(whole)
        else:
            size = decode_installed_size(attributes, attributes_place or place, prefix)
            identity = decode_content_id(attributes, attributes_place or place, prefix)
            published.append(Published(whole, *publication, size, identity))
    return _Bodies(tuple(statements), tuple(published), layout, index, attributes)
