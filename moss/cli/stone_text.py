"""A stone as a person reads it, and as data."""

import stat

from moss.cli.as_json import package_data, statement_data
from moss.cli.package_text import label_pairs, statement_pairs
from moss.cli.text import Page, count, labelled, plain, size, table
from moss.layout import Entry, EntryKind
from moss.package import Metadata, Published
from moss.stone import PayloadKind, Stone, StoneKind

_TYPES = {
    EntryKind.REGULAR: "file",
    EntryKind.SYMLINK: "symlink",
    EntryKind.DIRECTORY: "directory",
    EntryKind.CHARACTER_DEVICE: "character-device",
    EntryKind.BLOCK_DEVICE: "block-device",
    EntryKind.FIFO: "fifo",
    EntryKind.SOCKET: "socket",
}
_KINDS = {
    StoneKind.BINARY: "package",
    StoneKind.DELTA: "delta",
    StoneKind.INDEX: "index",
    StoneKind.MANIFEST: "manifest",
}


def stone_text(stone: Stone, page: Page) -> str:
    """What it says of itself; with `-v` also its payloads and every path."""
    parts = [_statement_text(metadata, page) for metadata in stone.statements]
    if stone.kind is StoneKind.BINARY:
        parts[-1] += labelled((("Holds", _holds(stone)),), page)
    if stone.kind is StoneKind.INDEX:
        parts.append(_published_table(stone.published, page))
    if page.verbose:
        parts.append(_payload_table(stone, page))
        parts.append(_layout_table(stone.layout, page))
    return "\n".join(part for part in parts if part) or "It holds nothing.\n"


def checked_text(stone: Stone) -> str:
    what = _holds(stone) if stone.kind is StoneKind.BINARY else _KINDS[stone.kind]
    return f"{plain(stone.name)} is sound: {what}.\n"


def stone_data(stone: Stone) -> dict[str, object]:
    return {
        "file": stone.name,
        "kind": _KINDS[stone.kind],
        "content_bytes": stone.content_size,
        "payloads": [
            {
                "kind": _payload_word(payload.header.kind),
                "compression": payload.header.compression.name.lower(),
                "stored_bytes": payload.header.stored_size,
                "plain_bytes": payload.header.plain_size,
                "records": payload.header.records,
            }
            for payload in stone.payloads
        ],
        "packages": [statement_data(metadata) for metadata in stone.statements],
        "published": [
            package_data(one.metadata) | {"uri": one.uri, "digest": one.digest, "download_bytes": one.size}
            for one in stone.published
        ],
        "files": [_entry_data(entry) for entry in stone.layout],
        "attributes": sorted(stone.attributes),
    }


def _statement_text(metadata: Metadata, page: Page) -> str:
    return labelled((*label_pairs(metadata), *statement_pairs(metadata, page)), page)


def _holds(stone: Stone) -> str:
    kinds = ((EntryKind.REGULAR, "file"), (EntryKind.SYMLINK, "symlink"), (EntryKind.DIRECTORY, "directory"))
    numbers = [(sum(entry.kind is kind for entry in stone.layout), noun) for kind, noun in kinds]
    return ", ".join([*(count(number, noun) for number, noun in numbers if number), size(stone.content_size)])


def _published_table(published: tuple[Published, ...], page: Page) -> str:
    rows = [
        (plain(one.metadata.name), plain(one.metadata.ordered_version), size(one.size), plain(one.uri))
        for one in published
    ]
    return table(("Package", "Version", "Size", "Stone"), rows, page)


def _payload_table(stone: Stone, page: Page) -> str:
    rows = [
        (
            _payload_word(payload.header.kind),
            payload.header.compression.name.lower(),
            str(payload.header.stored_size),
            str(payload.header.plain_size),
            str(payload.header.records),
        )
        for payload in stone.payloads
    ]
    return table(("Payload", "Packed", "Stored", "Plain", "Records"), rows, page)


def _layout_table(layout: tuple[Entry, ...], page: Page) -> str:
    rows = [(stat.filemode(entry.mode), f"{entry.uid}:{entry.gid}", _path_text(entry)) for entry in layout]
    return table(("Mode", "Owner", "Path"), rows, page._replace(width=None))


def _path_text(entry: Entry) -> str:
    arrow = f" -> {entry.link_target}" if entry.link_target is not None else ""
    return plain(f"/usr/{entry.path}{arrow}")


def _entry_data(entry: Entry) -> dict[str, object]:
    return {
        "path": f"/usr/{entry.path}",
        "type": _TYPES[entry.kind],
        "mode": f"{stat.S_IMODE(entry.mode):04o}",
        "uid": entry.uid,
        "gid": entry.gid,
        "digest": None if entry.digest is None else entry.digest.hex(),
        "link_target": entry.link_target,
    }


def _payload_word(kind: PayloadKind | int) -> str:
    return kind.name.lower() if isinstance(kind, PayloadKind) else f"unknown-{kind}"
