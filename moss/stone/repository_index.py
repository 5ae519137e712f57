"""`stone.index`: what a repository offers, one meta payload for each package, sorted by name.

What a package says beyond format v1 stands in one attributes payload at the end, under keys that
begin with the package's digest.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from moss.errors import UsageError
from moss.package import Published
from moss.stone.container import (
    DEFAULT_LIMITS,
    MAX_PAYLOADS,
    FileHeader,
    Limits,
    PayloadKind,
    Place,
    StoneKind,
    Strictness,
)
from moss.stone.extras import CONTENT_ID, INSTALLED_SIZE, SUBSCRIPTIONS, encode_definitions, encode_extras
from moss.stone.meta import Publication, encode_meta, publication_faults, statement_faults
from moss.stone.reader import open_stone
from moss.stone.streams import FrameCompressor, Writable
from moss.stone.writer import attributes_payload, make_payload, replacing, write_payloads

INDEX_LEVEL = 6
NO_DEFINITIONS: Mapping[str, str] = MappingProxyType({})


def read_index(
    path: str, *, strictness: Strictness = Strictness.INSTALL, limits: Limits = DEFAULT_LIMITS
) -> tuple[Published, ...]:
    """The packages of an index, in its order. CorruptData where the file is no index, or a bad one."""
    with open(path, "rb") as file:
        stone = open_stone(file, path, strictness=strictness, limits=limits)
    if stone.kind is not StoneKind.INDEX:
        raise Place(path, 0, "file header").fault(f"it is a {stone.kind.name.lower()} file, not an index")
    return stone.published


def write_index_file(
    path: str, published: Iterable[Published], definitions: Mapping[str, str] = NO_DEFINITIONS
) -> None:
    """Write an index to a path, where a reader finds the old one or the new one and never a part."""
    with replacing(path) as target:
        write_index(target, published, definitions)


def write_index(
    target: Writable, published: Iterable[Published], definitions: Mapping[str, str] = NO_DEFINITIONS
) -> None:
    """Write an index, with the texts of subscriptions' definitions by the names of their files. The order given
    is of no matter: packages are by name, and then by version and digest.

    UsageError names every package that an index cannot hold.
    """
    packages = sorted(published, key=_order)
    _refuse(packages)
    compressor = FrameCompressor(INDEX_LEVEL)
    payloads = []
    attributes: dict[str, bytes] = {}
    for package in packages:
        publication = Publication(package.uri, package.digest, package.size)
        plain, records = encode_meta(package.metadata, publication=publication)
        payloads.append(make_payload(PayloadKind.META, plain, records, compressor))
        for key, value in encode_extras(package.metadata).items():
            attributes[f"{package.digest}/{key}"] = value
        if package.installed_size is not None:
            attributes[f"{package.digest}/{INSTALLED_SIZE}"] = str(package.installed_size).encode()
        if package.content_id is not None:
            attributes[f"{package.digest}/{CONTENT_ID}"] = package.content_id.encode()
    if definitions:
        attributes[SUBSCRIPTIONS] = encode_definitions(definitions)
    if not packages and not attributes:
        write_payloads(target, FileHeader(0, StoneKind.INDEX), [])
        return
    header = FileHeader(len(payloads) + 1, StoneKind.INDEX)
    payloads.append(attributes_payload(header, payloads, attributes, compressor))
    write_payloads(target, header, payloads)


def _order(package: Published) -> tuple[str, str, int, str]:
    metadata = package.metadata
    return metadata.name, metadata.version, metadata.release, package.digest


def _refuse(packages: list[Published]) -> None:
    faults = []
    if len(packages) >= MAX_PAYLOADS:
        faults.append(f"{len(packages)} packages are more than the {MAX_PAYLOADS - 1} an index can hold")
    times = Counter(package.digest for package in packages)
    for package in packages:
        publication = Publication(package.uri, package.digest, package.size)
        own = statement_faults(package.metadata) + publication_faults(publication)
        if times[package.digest] > 1:
            own.append(f"it is listed {times[package.digest]} times")
        faults += [f"{package.metadata.label}: {fault}" for fault in own]
    if faults:
        raise UsageError(
            "these packages cannot be written to an index",
            because=faults,
            remedies=["leave them out, or build them again"],
        )
