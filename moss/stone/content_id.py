"""Content ids: which package this is, whatever it came in.

A stone's SHA-256 is about its compressed bytes. What a package *is*, its statement, its paths and the bytes of
its files, can also come out of a bundle or a store, and its content id is about that:

    SHA-256 of   "moss.content-id/1" LF
                 length u64 | statement      a stone's meta payload, unpacked
                 length u64 | attributes     relations, version scheme, source, xattrs, as in docs/stone-format.md
                 length u64 | layout         its records in the order of the paths' bytes; a file's source is the
                                             SHA-256 of its content

A signed index has it for each package, so that a package put together again is proven to be the signed one.
"""

import hashlib
from collections.abc import Callable, Sequence

from moss.digest import ContentDigest
from moss.layout import Entry
from moss.package import Metadata
from moss.stone.extras import encode_extras
from moss.stone.meta import encode_meta
from moss.stone.reader import Stone
from moss.stone.records import encode_attributes, encode_layout
from moss.stone.xattrs import encode_xattrs

_BEGINNING = b"moss.content-id/1\n"


def content_id(metadata: Metadata, layout: Sequence[Entry], sha256_of: Callable[[ContentDigest], bytes]) -> str:
    """The content id of a package; `sha256_of` gives the SHA-256 of the content that has a digest."""
    statement, _ = encode_meta(metadata)
    in_order = sorted(layout, key=lambda entry: entry.path.encode())
    files = [
        entry if entry.digest is None else entry._replace(digest=ContentDigest(sha256_of(entry.digest)))
        for entry in in_order
    ]
    attributes = encode_attributes({**encode_extras(metadata), **encode_xattrs(in_order)})
    hasher = hashlib.sha256(_BEGINNING)
    for part in (statement, attributes, encode_layout(files)):
        hasher.update(len(part).to_bytes(8, "big"))
        hasher.update(part)
    return hasher.hexdigest()


def content_id_of(stone: Stone) -> str:
    """Of an open stone, all of whose contents are read for it."""
    found: dict[ContentDigest, bytes] = {}
    for content in stone.contents():
        hasher = hashlib.sha256()
        for piece in content.chunks():
            hasher.update(piece)
        found[content.digest] = hasher.digest()
    return content_id(stone.metadata, stone.layout, found.__getitem__)
