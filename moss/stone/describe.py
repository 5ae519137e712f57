"""A stone in words and numbers, for `inspect`: plain values only, ready for `dataclasses.asdict`."""

from dataclasses import dataclass

from moss.layout import Entry
from moss.package import Metadata, Published, Relations
from moss.stone.container import CENSUS, Payload, PayloadKind
from moss.stone.reader import Stone


@dataclass(frozen=True, slots=True)
class PayloadDescription:
    kind: str
    offset: int
    stored_size: int
    plain_size: int
    records: int
    compression: str
    checksum: str


@dataclass(frozen=True, slots=True)
class RelationsDescription:
    """Formula texts, those of the rich relations where the package has them."""

    depends: tuple[str, ...]
    recommends: tuple[str, ...]
    supplements: tuple[str, ...]
    provides: tuple[str, ...]
    conflicts: tuple[str, ...]
    breaks: tuple[str, ...]
    replaces: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StatementDescription:
    name: str
    version: str
    release: int
    build_release: int
    architecture: str
    summary: str
    description: str
    homepage: str
    source_id: str
    licenses: tuple[str, ...]
    version_scheme: str
    source_digest: str | None
    relations: RelationsDescription
    build_depends: tuple[str, ...]
    uri: str | None
    """These three in an index only."""
    digest: str | None
    size: int | None


@dataclass(frozen=True, slots=True)
class EntryDescription:
    path: str
    kind: str
    mode: str
    """Octal, four digits, without the file type."""
    uid: int
    gid: int
    digest: str | None
    link_target: str | None
    size: int | None


@dataclass(frozen=True, slots=True)
class AttributeDescription:
    key: str
    size: int


@dataclass(frozen=True, slots=True)
class Description:
    file: str
    kind: str
    packages: tuple[StatementDescription, ...]
    layout: tuple[EntryDescription, ...]
    contents: int
    content_size: int
    """Bytes of all distinct contents, unpacked."""
    payloads: tuple[PayloadDescription, ...]
    attributes: tuple[AttributeDescription, ...]
    has_census: bool


def describe(stone: Stone) -> Description:
    """All that is known of a file before its content is read."""
    sizes: dict[bytes | None, int] = {digest: end - start for start, end, digest in stone.index}
    packages = [_statement(metadata, None) for metadata in stone.statements]
    packages += [_statement(package.metadata, package) for package in stone.published]
    return Description(
        file=stone.name,
        kind=stone.kind.name.lower(),
        packages=tuple(packages),
        layout=tuple(_entry(entry, sizes.get(entry.digest)) for entry in stone.layout),
        contents=len(stone.index),
        content_size=stone.content_size,
        payloads=tuple(_payload(payload) for payload in stone.payloads),
        attributes=tuple(AttributeDescription(key, len(value)) for key, value in stone.attributes.items()),
        has_census=CENSUS in stone.attributes,
    )


def _statement(metadata: Metadata, published: Published | None) -> StatementDescription:
    return StatementDescription(
        name=metadata.name,
        version=metadata.version,
        release=metadata.release,
        build_release=metadata.build_release,
        architecture=metadata.architecture,
        summary=metadata.summary,
        description=metadata.description,
        homepage=metadata.homepage,
        source_id=metadata.source_id,
        licenses=metadata.licenses,
        version_scheme=metadata.scheme.name.lower(),
        source_digest=metadata.source_digest,
        relations=_relations(metadata.relations),
        build_depends=tuple(map(str, metadata.build_depends)),
        uri=None if published is None else published.uri,
        digest=None if published is None else published.digest,
        size=None if published is None else published.size,
    )


def _relations(relations: Relations) -> RelationsDescription:
    return RelationsDescription(
        depends=tuple(map(str, relations.depends)),
        recommends=tuple(map(str, relations.recommends)),
        supplements=tuple(map(str, relations.supplements)),
        provides=tuple(map(str, relations.provides)),
        conflicts=tuple(map(str, relations.conflicts)),
        breaks=tuple(map(str, relations.breaks)),
        replaces=tuple(map(str, relations.replaces)),
    )


def _entry(entry: Entry, size: int | None) -> EntryDescription:
    return EntryDescription(
        path=entry.path,
        kind=entry.kind.name.lower(),
        mode=f"{entry.mode & 0o7777:04o}",
        uid=entry.uid,
        gid=entry.gid,
        digest=None if entry.digest is None else entry.digest.hex(),
        link_target=entry.link_target,
        size=size,
    )


def _payload(payload: Payload) -> PayloadDescription:
    header = payload.header
    known = isinstance(header.kind, PayloadKind)
    return PayloadDescription(
        kind=PayloadKind(header.kind).name.lower() if known else f"unknown kind {int(header.kind)}",
        offset=payload.place.offset,
        stored_size=header.stored_size,
        plain_size=header.plain_size,
        records=header.records,
        compression=header.compression.name.lower() if known else "unknown",
        checksum=header.checksum.hex(),
    )
