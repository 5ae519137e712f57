"""Whether the parts of a stone agree with each other, and with what a file of its kind holds."""

from collections import Counter
from collections.abc import Mapping, Sequence

from moss.layout import Entry
from moss.package import Published
from moss.stone.container import (
    CENSUS,
    MAX_PAYLOADS,
    Payload,
    PayloadKind,
    Place,
    StoneKind,
    census,
)
from moss.stone.extras import prefix_of
from moss.stone.records import ContentRange

# How many payloads of each kind a file has: at least, at most.
_COUNTS: Mapping[StoneKind, Mapping[PayloadKind, tuple[int, int]]] = {
    StoneKind.BINARY: {
        PayloadKind.META: (1, 1),
        PayloadKind.LAYOUT: (0, 1),
        PayloadKind.INDEX: (0, 1),
        PayloadKind.CONTENT: (0, 1),
        PayloadKind.ATTRIBUTES: (0, 1),
    },
    StoneKind.INDEX: {PayloadKind.META: (0, MAX_PAYLOADS), PayloadKind.ATTRIBUTES: (0, 1)},
    StoneKind.MANIFEST: {PayloadKind.META: (1, MAX_PAYLOADS), PayloadKind.ATTRIBUTES: (0, 1)},
}


def judge_payloads(payloads: Sequence[Payload], kind: StoneKind, place: Place) -> None:
    """CorruptData where payloads are missing, too many, or before what they need."""
    counts = Counter(payload.header.kind for payload in payloads)
    for payload_kind in PayloadKind:
        least, most = _COUNTS[kind].get(payload_kind, (0, 0))
        found = counts[payload_kind]
        if not least <= found <= most:
            wanted = f"exactly {least}" if least == most else f"{least} to {most}"
            raise place.fault(
                f"a file of type {kind.name.lower()} has {wanted} {payload_kind.name.lower()} payloads, "
                f"this one has {found}"
            )
    order = [payload.header.kind for payload in payloads]
    if counts[PayloadKind.INDEX] != counts[PayloadKind.CONTENT]:
        raise place.fault("an index and a content payload come together or not at all")
    if counts[PayloadKind.INDEX] and order.index(PayloadKind.INDEX) > order.index(PayloadKind.CONTENT):
        raise place.fault("the content payload comes before the index payload")


def judge_content(
    payloads: Sequence[Payload], layout: Sequence[Entry], index: Sequence[ContentRange]
) -> None:
    """CorruptData unless layout, index and content name the same contents in the same number of bytes."""
    for header, place, _ in payloads:
        if header.kind is PayloadKind.CONTENT:
            size = index[-1].end if index else 0
            if header.plain_size != size:
                raise place.fault(f"it unpacks to {header.plain_size} bytes, the index covers {size}")
            if header.records not in (0, len(index)):
                raise place.fault(f"it announces {header.records} contents, the index lists {len(index)}")
    wanted = {entry.digest for entry in layout if entry.digest is not None}
    offered = {content_range.digest for content_range in index}
    if wanted == offered:
        return
    for header, place, _ in payloads:
        if header.kind is PayloadKind.LAYOUT and (missing := wanted - offered):
            path = next(entry.path for entry in layout if entry.digest in missing)
            raise place.fault(f"the content of '{path}' is not in the index")
        if header.kind is PayloadKind.INDEX and (unused := offered - wanted):
            raise place.fault(f"the content with digest {min(unused).hex()} belongs to no path of the layout")


def judge_census(raw_header: bytes, payloads: Sequence[Payload], attributes: Mapping[str, bytes]) -> None:
    """CorruptData where a stone has a census and its headers are not those that were counted."""
    value = attributes.get(CENSUS)
    if value is None:
        return
    others = (payload.raw_header for payload in payloads if payload.header.kind is not PayloadKind.ATTRIBUTES)
    if census(raw_header, others) != value:
        raise _attributes_place(payloads).fault("the headers in this file are not those it was written with")


def judge_published(published: Sequence[Published], place: Place) -> None:
    """CorruptData unless an index is sorted by name and lists each stone once."""
    names = [package.metadata.name for package in published]
    if names != sorted(names):
        raise place.fault("the packages are not sorted by name")
    for digest, times in Counter(package.digest for package in published).items():
        if times > 1:
            raise place.fault(f"the package with SHA-256 {digest} is listed {times} times")


def judge_attributes(
    attributes: Mapping[str, bytes], published: Sequence[Published], payloads: Sequence[Payload]
) -> None:
    """CorruptData where an index has attributes of a package that it does not list."""
    listed = {package.digest for package in published}
    for key in attributes:
        prefix = prefix_of(key)
        if prefix and prefix not in listed:
            raise _attributes_place(payloads).fault(f"attribute '{key}' belongs to no package that is listed")


def _attributes_place(payloads: Sequence[Payload]) -> Place:
    return next(payload.place for payload in payloads if payload.header.kind is PayloadKind.ATTRIBUTES)
